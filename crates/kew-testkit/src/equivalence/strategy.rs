//! How scripts are drawn: mostly the life of messages, with everything else strewn in, and values at the edges.

use kew_model::ContentType;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

use super::script::{Consuming, Opening, Pick, Piece, Request, SLOTS, Script, Slot, Step, Whose};

/// How many verbs a script has.
const STEPS: usize = 200;

/// A whole script.
pub(super) fn script() -> impl Strategy<Value = Script> {
    // The first queue's dead letters go to the second, and sometimes the second's back to the first.
    let first = option::weighted(0.95, consumer(select(vec![Some(1), Some(1), Some(1), Some(3), None])));
    let second = option::weighted(0.9, consumer(select(vec![Some(0), Some(2), None])));
    let third = option::weighted(0.9, consumer(select(vec![Some(0), Some(1), Some(3), None])));
    let queues = (opening(first), opening(second), opening(third)).prop_map(|(a, b, c)| vec![a, b, c]);
    (queues, vec(step(), STEPS)).prop_map(|(queues, steps)| Script { queues, steps })
}

/// Mostly a period that outlasts the script, so that what else may happen to messages happens.
fn opening(consumer: impl Strategy<Value = Option<Consuming>>) -> impl Strategy<Value = Opening> {
    let period = prop_oneof![3 => Just(1_209_600), 1 => retention()];
    (period, consumer).prop_map(|(retention_seconds, consumer)| Opening { retention_seconds, consumer })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        70 => message_step(),
        15 => clock_step(),
        8 => settings_step(),
        7 => other_step(),
    ]
}

fn message_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => push(),
        26 => (slot(), option::of(batch_size()), option::weighted(0.6, timeout()))
            .prop_map(|(slot, batch_size, visibility_timeout_ms)| Step::Pull {
                slot,
                batch_size,
                visibility_timeout_ms,
            }),
        22 => settle(),
        6 => (slot(), vec(pick(), 1..6), option::of(timeout()))
            .prop_map(|(slot, leases, visibility_timeout_ms)| Step::Extend {
                slot,
                leases,
                visibility_timeout_ms,
            }),
        3 => (slot(), vec(pick(), 0..5)).prop_map(|(slot, leases)| Step::Discard { slot, leases }),
        6 => (slot(), option::of(batch_size())).prop_map(|(slot, batch_size)| Step::Peek { slot, batch_size }),
        2 => (slot(), vec(0..8_usize, 1..4)).prop_map(|(slot, places)| Step::DiscardPeeked { slot, places }),
        8 => (redriven_slot(), option::weighted(0.4, slot()), batch_size())
            .prop_map(|(slot, to, batch_size)| Step::Redrive { slot, to, batch_size }),
        6 => slot().prop_map(|slot| Step::Backlog { slot }),
        1 => slot().prop_map(|slot| Step::Purge { slot }),
    ]
}

/// Many acks as of a good consumer, or a few of everything.
fn settle() -> impl Strategy<Value = Step> {
    let good = (slot(), vec(pick(), 0..20), Just(Vec::new()));
    let mixed = (slot(), vec(pick(), 0..3), vec((pick(), option::of(delay())), 0..10));
    prop_oneof![1 => good, 2 => mixed].prop_map(|(slot, acks, retries)| Step::Settle { slot, acks, retries })
}

fn push() -> impl Strategy<Value = Step> {
    let count = prop_oneof![12 => 1..6_usize, 2 => 6..40_usize, 1 => Just(100), 1 => select(vec![0, 101])];
    (slot(), count, vec(piece(), 1..4), option::weighted(0.5, request()))
        .prop_map(|(slot, count, pieces, request)| Step::Push { slot, count, pieces, request })
}

/// Few keys, so that they meet again; mostly with the content that they had before.
fn request() -> impl Strategy<Value = Request> {
    (0..2_u8, prop_oneof![2 => Just(0), 1 => Just(1)]).prop_map(|(key, content)| Request { key, content })
}

fn piece() -> impl Strategy<Value = Piece> {
    let length = prop_oneof![40 => 0..200_usize, 4 => 200..5_000_usize, 1 => Just(127_900)];
    let types = vec![ContentType::Text, ContentType::Json, ContentType::Bytes, ContentType::V8];
    (length, select(types), option::weighted(0.4, delay()))
        .prop_map(|(length, content_type, delay_seconds)| Piece { length, content_type, delay_seconds })
}

fn clock_step() -> impl Strategy<Value = Step> {
    let lengths = vec![
        1,
        1,
        2,
        500,
        999,
        1_000,
        1_001,
        4_999,
        5_000,
        10_000,
        29_999,
        30_000,
        59_999,
        60_000,
        60_000,
        90_000,
        899_999,
        900_000,
        3_600_000,
        43_200_000,
        86_400_000,
        259_200_000,
    ];
    prop_oneof![
        10 => select(lengths).prop_map(|milliseconds| Step::Advance { milliseconds }),
        1 => whose().prop_map(|whose| Step::Housekeep { whose }),
        1 => whose().prop_map(|whose| Step::Restart { whose }),
    ]
}

fn settings_step() -> impl Strategy<Value = Step> {
    let consumer = || consumer(option::weighted(0.6, slot()));
    prop_oneof![
        3 => (slot(), any::<bool>()).prop_map(|(slot, paused)| Step::Pause { slot, paused }),
        3 => slot().prop_map(|slot| Step::Pause { slot, paused: false }),
        2 => (slot(), delay()).prop_map(|(slot, seconds)| Step::SetDelay { slot, seconds }),
        3 => (slot(), retention()).prop_map(|(slot, seconds)| Step::SetRetention { slot, seconds }),
        1 => slot().prop_map(|slot| Step::Rename { slot }),
        2 => slot().prop_map(|slot| Step::Detach { slot }),
        5 => (slot(), consumer()).prop_map(|(slot, consumer)| Step::Attach { slot, consumer }),
        4 => (slot(), proptest::bool::weighted(0.9), consumer())
            .prop_map(|(slot, same_id, consumer)| Step::Replace { slot, same_id, consumer }),
    ]
}

fn other_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => slot().prop_map(|slot| Step::Delete { slot }),
        5 => slot().prop_map(|slot| Step::Create { slot }),
        1 => (0..4_u8).prop_map(|number| Step::CreateToken { number }),
        1 => (0..4_u8).prop_map(|number| Step::RevokeToken { number }),
        2 => (0..4_u8, slot()).prop_map(|(resource, to)| Step::Subscribe { resource, to }),
        1 => (0..3_usize, option::of(slot()), option::of(any::<bool>()))
            .prop_map(|(place, to, enabled)| Step::Resubscribe { place, to, enabled }),
        1 => (0..3_usize).prop_map(|place| Step::Unsubscribe { place }),
        4 => Just(Step::Catalog),
    ]
}

fn consumer(dead_letters: impl Strategy<Value = Option<Slot>>) -> impl Strategy<Value = Consuming> {
    (
        proptest::bool::weighted(0.95),
        batch_size(),
        select(vec![0, 0, 1, 1, 3, 3, 100]),
        prop_oneof![2 => Just(0), 1 => delay()],
        timeout(),
        dead_letters,
    )
        .prop_map(
            |(pulls, batch_size, max_retries, retry_delay_seconds, visibility_timeout_ms, dead_letters)| {
                Consuming {
                    pulls,
                    batch_size,
                    max_retries,
                    retry_delay_seconds,
                    visibility_timeout_ms,
                    dead_letters,
                }
            },
        )
}

/// Mostly the first two queues, so that they fill up and meet.
fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![6 => Just(0), 4 => Just(1), 2 => Just(2), 1 => Just(SLOTS - 1)]
}

/// Mostly the queues that dead letters go to.
fn redriven_slot() -> impl Strategy<Value = Slot> {
    prop_oneof![2 => Just(0), 6 => Just(1), 2 => Just(2), 2 => Just(SLOTS - 1)]
}

fn batch_size() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1..8_u16, 1 => 8..100_u16, 1 => Just(100)]
}

fn timeout() -> impl Strategy<Value = u64> {
    select(vec![0, 1, 1_000, 1_000, 5_000, 30_000, 30_000, 60_000, 43_200_000])
}

fn delay() -> impl Strategy<Value = u32> {
    select(vec![0, 0, 1, 1, 5, 30, 600, 86_400])
}

/// As long as the shortest leases and clock steps, or about as long as a script.
fn retention() -> impl Strategy<Value = u32> {
    select(vec![60, 60, 61, 90, 3_600, 86_400, 345_600, 1_209_600, 1_209_600])
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        10 => (0..12_usize).prop_map(Pick::Recent),
        5 => (0..200_usize).prop_map(Pick::Recent),
        4 => (0..40_usize).prop_map(Pick::Stale),
        1 => (0..1_000_usize).prop_map(Pick::Any),
    ]
}

fn whose() -> impl Strategy<Value = Whose> {
    select(vec![Whose::First, Whose::Second, Whose::Both])
}
