//! Records of a good life and of each way to break it.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A step that was sent at a second and answered half a second later.
fn at(second: u32) -> Span {
    Span { invoked: SECOND * second, answered: SECOND * second + SECOND / 2 }
}

fn push(second: u32) -> Event {
    let (queue, key) = ("once".to_owned(), "key".to_owned());
    Event::Push { queue, key, span: at(second), learned: Learned::Ok, delay: Duration::ZERO }
}

fn message(lease: &str) -> Message {
    Message { key: "key".to_owned(), id: "id".to_owned(), lease: lease.to_owned(), attempts: 1 }
}

fn pull_of(second: u32, queue: &str, delivered: Vec<Message>) -> Event {
    Event::Pull { queue: queue.to_owned(), span: at(second), visibility_timeout: SECOND * 10, delivered }
}

fn pull(second: u32, queue: &str, lease: &str) -> Event {
    pull_of(second, queue, vec![message(lease)])
}

fn retry(second: u32, lease: &str) -> Event {
    Event::Retry {
        queue: "once".to_owned(),
        lease: lease.to_owned(),
        span: at(second),
        learned: Learned::Ok,
        delay: Duration::ZERO,
    }
}

fn ack(second: u32, lease: &str, learned: Learned) -> Event {
    Event::Ack { queue: "once".to_owned(), lease: lease.to_owned(), span: at(second), learned }
}

fn found(events: Vec<Event>) -> Vec<String> {
    violations(&Record { events }, "once")
}

fn assert_found(events: Vec<Event>, text: &str) {
    let found = found(events);
    assert!(matches!(&found[..], [one] if one.contains(text)), "{found:?}");
}

/// Pushed, failed, sent back, and acked in its second round.
fn good() -> Vec<Event> {
    vec![push(0), pull(1, "once", "a"), retry(2, "a"), pull(3, "once", "b"), ack(4, "b", Learned::Ok)]
}

#[test]
fn a_good_life_is_believed() {
    assert!(found(good()).is_empty());
    assert!(
        found(vec![push(0), pull(1, "once", "a"), pull(12, "failed", "b"), ack(13, "b", Learned::Unknown)])
            .is_empty()
    );
}

#[test]
fn a_lost_message_is_noticed() {
    assert_found(vec![push(0)], "neither acked nor in a queue");
    assert_found(vec![push(0), pull(1, "once", "a"), retry(2, "a")], "neither acked nor in a queue");
    let warned = ack(20, "a", Learned::Failed);
    assert_found(vec![push(0), pull(1, "once", "a"), warned], "neither acked nor in a queue");
}

#[test]
fn a_message_from_nowhere_is_noticed() {
    assert_found(vec![pull(1, "failed", "a")], "not pushed");
}

#[test]
fn an_acked_message_that_comes_again_is_noticed_in_either_queue() {
    for queue in ["once", "failed"] {
        let mut events = good();
        events.push(pull(20, queue, "c"));
        assert_found(events, "was acked by");
    }
}

#[test]
fn a_message_in_both_queues_is_noticed() {
    // Given a dead letter that was taken, and its double in the other queue
    let events = vec![push(0), pull(1, "failed", "a"), pull(3, "once", "b"), ack(5, "b", Learned::Ok)];
    assert_found(events, "was leased until");
    let twice = vec![message("a"), message("b")];
    assert_found(vec![push(0), pull_of(1, "failed", twice), ack(2, "a", Learned::Ok)], "twice at once");
}

#[test]
fn a_second_attempt_of_a_queue_that_has_one_is_noticed() {
    let again = Message { attempts: 2, ..message("b") };
    let events =
        vec![push(0), pull(1, "once", "a"), pull_of(12, "once", vec![again]), ack(13, "b", Learned::Ok)];
    assert_found(events, "had one attempt");
}

#[test]
fn a_lease_that_is_issued_twice_is_noticed() {
    let events = vec![push(0), pull(1, "once", "a"), pull(12, "once", "a"), ack(13, "a", Learned::Ok)];
    assert!(found(events).iter().any(|text| text.contains("had been issued")));
}
