//! Delays against what a list of messages would do.

use std::collections::BTreeMap;

use kew_model::ContentType;
use proptest::prelude::*;

use super::*;

const SPAN: Span = Span { from: 0, content_type: ContentType::Text, length: 5, sent_at: Timestamp(1) };

fn delays(messages: &[(u64, u64)]) -> Delays {
    let mut delays = Delays::default();
    for (at, sequence) in messages {
        delays.insert(Timestamp(*at), Sequence(*sequence), SPAN);
    }
    delays
}

fn listed(delays: &Delays, now: u64) -> Vec<(u64, u64, u32)> {
    delays.due(Timestamp(now)).map(|entry| (entry.available_at.0, entry.first, entry.count)).collect()
}

#[test]
fn a_batch_with_one_delay_is_one_entry() {
    let delays = delays(&[(9_000, 1), (9_000, 2), (9_000, 3)]);
    assert_eq!(listed(&delays, 8_999), []);
    assert_eq!(listed(&delays, 9_000), [(9_000, 1, 3)]);
}

#[test]
fn where_in_its_run_a_message_stood_makes_no_entry_of_its_own() {
    let mut delays = Delays::default();
    for bit in 1..=3 {
        delays.insert(Timestamp(9_000), Sequence(bit.into()), Span { from: bit, ..SPAN });
    }
    assert_eq!(listed(&delays, 9_000), [(9_000, 1, 3)]);
}

#[test]
fn what_is_due_comes_by_time_and_then_by_sequence() {
    let delays = delays(&[(9_500, 1), (9_000, 2), (3_000, 3), (9_000, 9), (12_000, 4)]);
    assert_eq!(listed(&delays, 9_600), [(3_000, 3, 1), (9_000, 2, 1), (9_000, 9, 1), (9_500, 1, 1)]);
    assert_eq!(delays.next_after(Timestamp(0)), Some(Timestamp(3_000)));
    assert_eq!(delays.next_after(Timestamp(3_000)), Some(Timestamp(9_000)));
    assert_eq!(delays.next_after(Timestamp(9_500)), Some(Timestamp(12_000)));
}

#[test]
fn taking_passes_over_what_was_discarded_before_it() {
    let mut delays = delays(&[(1_000, 1), (1_000, 2), (1_000, 3), (2_000, 4), (2_000, 7)]);
    delays.take(Sequence(2));
    assert_eq!(listed(&delays, 9_000), [(1_000, 3, 1), (2_000, 4, 1), (2_000, 7, 1)]);
    delays.take(Sequence(3));
    assert_eq!(listed(&delays, 9_000), [(2_000, 4, 1), (2_000, 7, 1)]);
    delays.take(Sequence(7));
    assert_eq!((listed(&delays, 9_000), delays.next_after(Timestamp(0))), (vec![], None));
}

#[test]
fn what_is_discarded_takes_no_more_than_what_is_left() {
    // Given messages of different times, of which one in ten stays
    let messages: Vec<_> = (1..=10_000).map(|sequence| (90_000 + sequence * 7, sequence)).collect();
    let mut delays = delays(&messages);
    let mut gone = BTreeSet::new();
    for sequence in (1..=10_000).filter(|sequence| sequence % 10 != 0) {
        gone.insert(sequence);
        delays.discard(1, |from, to| (from..to).any(|sequence| !gone.contains(&sequence)));

        // Then the entries of those that went are never more than of those that stay, and one
        let left = 10_000 - gone.len();
        assert!(delays.entries <= 2 * left + 1, "{} entries for {left} messages", delays.entries);
    }
    assert_eq!(delays.iter().count(), delays.entries);

    // And when the last has gone nothing is left at all
    delays.discard(10_000, |_, _| false);
    assert_eq!((delays.entries, delays.leaves.iter().count(), delays.by_lowest.len()), (0, 0, 0));
}

#[test]
fn what_lies_below_a_sequence_is_found_without_a_walk_over_all() {
    let mut delays = delays(&[(9_000, 1), (2_000, 2), (9_100, 3), (4_000, 4), (2_500, 5)]);
    let mut below = |before| -> Vec<_> {
        let taken = delays.take_below(before);
        taken.into_iter().flat_map(|entry| entry.first..entry.end()).collect()
    };
    assert_eq!(below(1), []);
    assert_eq!(below(4), [2, 1, 3]);
    assert_eq!(below(5), [4]);
    assert_eq!(delays.by_lowest, BTreeSet::from([(5, FIRST)]));
    assert_eq!(listed(&delays, 9_999), [(2_500, 5, 1)]);
}

/// A message at a time of its own, or alike.
fn span_of(sequence: u64) -> Span {
    Span { length: u32::try_from(sequence % 3).unwrap(), sent_at: Timestamp(sequence / 50), ..SPAN }
}

/// The delayed messages by time and sequence, as a list.
#[derive(Debug, Clone, Default)]
struct Listed {
    messages: BTreeMap<Key, Span>,
    next: u64,
}

#[derive(Debug, Clone)]
enum Step {
    /// So many messages, each so much after the former, from a time on.
    Push { count: u64, at: u64, apart: u64 },
    /// The first messages are taken, but some of them are passed over as discarded.
    Take { count: usize, passed_over: usize },
    /// Messages below a share of all sequences have become too old.
    Age { percent: u64 },
    /// One message in so many stays.
    Discard { one_in: u64 },
    /// A checkpoint is taken.
    Copy,
    /// A checkpoint is read.
    Restore,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (1_u64..700, 0_u64..100_000, prop_oneof![Just(0), Just(1), 2_u64..5_000]);
    let step = prop_oneof![
        8 => push.prop_map(|(count, at, apart)| Step::Push { count, at, apart }),
        4 => (1_usize..400, 0_usize..20).prop_map(|(count, passed_over)| Step::Take { count, passed_over }),
        1 => (1_u64..60).prop_map(|percent| Step::Age { percent }),
        1 => (2_u64..9).prop_map(|one_in| Step::Discard { one_in }),
        1 => Just(Step::Copy),
        1 => Just(Step::Restore),
    ];
    prop::collection::vec(step, 1..40)
}

fn apply(step: &Step, delays: &mut Delays, listed: &mut Listed) {
    match *step {
        Step::Push { count, at, apart } => {
            for number in 0..count {
                // Later ones wrap round, so that they come before others.
                let at = Timestamp((at + number * apart) % 1_000_000);
                delays.insert(at, Sequence(listed.next), span_of(listed.next));
                listed.messages.insert((at, listed.next), span_of(listed.next));
                listed.next += 1;
            }
        }
        Step::Take { count, passed_over } => {
            let count = count.min(listed.messages.len());
            for number in 1..=count {
                let Some((key, _)) = listed.messages.pop_first() else { return };
                if number > passed_over || number == count {
                    delays.take(Sequence(key.1));
                }
            }
        }
        Step::Age { percent } => {
            let before = listed.next * percent / 100;
            let taken = delays.take_below(before);
            let mut taken: Vec<_> = taken.iter().flat_map(each).collect();
            taken.sort_unstable_by_key(|(key, _)| *key);
            let old = listed.messages.extract_if(.., |key, _| key.1 < before);
            assert!(taken.into_iter().eq(old));
        }
        Step::Discard { one_in } => {
            listed.messages.retain(|key, _| key.1.is_multiple_of(one_in));
            delays.discard(u64::MAX, |from, to| (from..to).any(|sequence| sequence.is_multiple_of(one_in)));
            // An entry of which something is left stays whole, and is told from the others by who asks.
            *delays = delays.in_order(|sequence| sequence.is_multiple_of(one_in));
        }
        Step::Copy => {}
        Step::Restore => {
            let mut restored = Delays::default();
            delays.iter().for_each(|entry| restored.restore(entry));
            *delays = restored;
        }
    }
}

/// The messages of an entry.
fn each(entry: &Delayed) -> impl Iterator<Item = (Key, Span)> + use<> {
    let Delayed { available_at, span, .. } = *entry;
    (entry.first..entry.end()).map(move |sequence| ((available_at, sequence), span))
}

/// Compares everything that can be asked, and looks whether what is kept beside the entries agrees with them.
fn assert_same(delays: &Delays, listed: &Listed) {
    let all: Vec<_> = delays.iter().flat_map(|entry| each(&entry)).collect();
    assert_eq!(all, listed.messages.clone().into_iter().collect::<Vec<_>>());
    for now in [0, 10, 50_000, 300_000, 999_999].map(Timestamp) {
        let due = delays.due(now).flat_map(|entry| each(&entry));
        assert!(due.eq(listed.messages.range(..=(now, u64::MAX)).map(|(key, span)| (*key, *span))));
        let next =
            listed.messages.range((now.after(kew_model::Milliseconds(1)), 0)..).next().map(|(key, _)| key.0);
        assert_eq!(delays.next_after(now), next);
    }
    let first = listed.messages.first_key_value();
    assert!(first.is_none_or(|(key, span)| delays.sent_at(Sequence(key.1)) == Some(span.sent_at)));
    assert_eq!(delays.entries, delays.iter().count());
    let by_lowest: BTreeSet<_> = delays.leaves.iter().map(|(at, leaf)| (leaf.lowest(), *at)).collect();
    assert_eq!(delays.by_lowest, by_lowest);
    for (at, leaf) in delays.leaves.iter() {
        assert!((1..=LEAF).contains(&leaf.len()));
        assert!(leaf.iter().all(|entry| entry.key() >= *at && entry.first >= leaf.lowest()));
    }
    // Only the two ends may be loose.
    let leaves: Vec<_> = delays.leaves.values().collect();
    for (number, leaf) in leaves.iter().enumerate().skip(1) {
        let loose_max = if number + 1 == leaves.len() { LOOSE_AT_THE_END } else { LOOSE };
        assert!(leaf.loose_len() <= loose_max, "leaf {number} of {} is not packed", leaves.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_is_done_it_is_a_list_in_order_and_its_copies_stay_as_they_were(steps in steps()) {
        let (mut delays, mut listed) = (Delays::default(), Listed::default());
        let mut copies = Vec::new();
        for step in &steps {
            if matches!(step, Step::Copy) {
                copies.push((delays.clone(), listed.clone()));
            }
            apply(step, &mut delays, &mut listed);
            assert_same(&delays, &listed);
        }
        copies.iter().for_each(|(delays, listed)| assert_same(delays, listed));
    }
}

#[test]
fn a_batch_stays_one_entry_wherever_it_comes_among_others() {
    // Given 2,000 batches of ten messages alike, whose times are all over a day
    let mut delays = Delays::default();
    for batch in 0..2_000_u64 {
        for message in 0..10 {
            let at = Timestamp(batch * 7_654_321 % 86_400_000);
            delays.insert(at, Sequence(batch * 10 + message), SPAN);
        }
    }

    // Then each is an entry, in leaves of which most are more than half full
    assert_eq!(delays.entries, 2_000);
    assert!(delays.iter().all(|entry| entry.count == 10));
    let leaves = delays.leaves.values().count();
    assert!(leaves <= 2_000 / (LEAF / 2) + 1, "{leaves} leaves");
}

#[test]
fn entries_that_come_in_order_fill_their_leaves() {
    let delays = delays(&(0..25_600).map(|at| (at * 5, at * 2)).collect::<Vec<_>>());
    assert_eq!(delays.leaves.values().count(), 100);
}

#[test]
fn a_leaf_from_which_messages_are_taken_is_packed_no_more() {
    // Given a leaf whose first message was taken, so that the turn of the others is near
    let mut delays = delays(&(1..=100).map(|at| (at * 5, at)).collect::<Vec<_>>());
    delays.take(Sequence(1));

    // When more are put among them than any other leaf keeps unpacked
    for sequence in 101..=200 {
        delays.insert(Timestamp(sequence * 7 % 500 + 6), Sequence(sequence), SPAN);
    }

    // Then none is packed, since each would be unpacked again with the next that is taken
    let leaf = delays.leaves.values().next().unwrap();
    assert_eq!((leaf.len(), leaf.loose_len()), (199, 199));
}
