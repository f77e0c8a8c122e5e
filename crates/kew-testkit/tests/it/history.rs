//! Small histories, good and bad: each rule fires on what breaks it, and on nothing else.

use std::time::Duration;

use kew_testkit::history::{Delivered, History, Learned, QueueRules, Rule, Span};

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Span {
    Span { invoked: Duration::from_secs(seconds), answered: Duration::from_millis(seconds * 1_000 + 500) }
}

fn got(key: &str, lease: &str, attempts: u16) -> Vec<Delivered> {
    vec![Delivered { key: key.to_owned(), lease: lease.to_owned(), attempts }]
}

/// One message "a", pushed at second 1 into "jobs".
fn pushed() -> History {
    let mut history = History::new();
    let rules = QueueRules { max_retries: 2, dead_letter_queue: Some("dead".to_owned()) };
    history.describe_queue("jobs", rules);
    history.push("jobs", "a", at(1), Learned::Ok, Duration::ZERO);
    history
}

/// The same, pulled at second 2 for a minute.
fn pulled() -> History {
    let mut history = pushed();
    history.pull("jobs", at(2), MINUTE, got("a", "lease 1", 1));
    history
}

fn broken(history: &History) -> Vec<Rule> {
    history.check().into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_good_history_breaks_no_rule() {
    let mut history = pulled();
    history.pull("jobs", at(70), MINUTE, got("a", "lease 2", 2));
    history.retry("lease 2", at(71), Learned::Ok, Duration::from_secs(5));
    history.pull("jobs", at(77), MINUTE, got("a", "lease 3", 3));
    history.retry("lease 3", at(78), Learned::Ok, Duration::ZERO);
    history.pull("dead", at(79), MINUTE, got("a", "lease 4", 1));
    history.ack("lease 4", at(80), Learned::Ok);
    history.ack("lease 3", at(81), Learned::Failed);
    assert_eq!(history.check(), []);
    assert_eq!(history.deliveries(), 4);
}

#[test]
fn c1_an_answered_push_that_is_lost() {
    let mut history = pushed();
    assert_eq!(broken(&history), [Rule::C1]);
    history.left_at_end(1);
    assert_eq!(broken(&history), []);
}

#[test]
fn c1_a_push_that_was_not_answered_may_be_lost() {
    let mut history = History::new();
    history.push("jobs", "a", at(1), Learned::Unknown, Duration::ZERO);
    history.push("jobs", "b", at(1), Learned::Failed, Duration::ZERO);
    assert_eq!(broken(&history), []);
}

#[test]
fn c1_lost_pulls_explain_a_message_that_used_up_its_attempts() {
    let mut history = History::new();
    history.describe_queue("jobs", QueueRules { max_retries: 1, dead_letter_queue: None });
    history.push("jobs", "a", at(1), Learned::Ok, Duration::ZERO);
    history.lost_pull("jobs", at(2).invoked);
    assert_eq!(broken(&history), [Rule::C1]);
    history.lost_pull("jobs", at(70).invoked);
    assert_eq!(broken(&history), []);
}

#[test]
fn c2_a_delivery_of_what_was_never_pushed() {
    let mut history = pulled();
    history.pull("jobs", at(3), MINUTE, got("invented", "lease 2", 1));
    assert_eq!(broken(&history), [Rule::C2]);
}

#[test]
fn c2_a_delivery_of_what_was_refused_or_comes_later() {
    let mut history = History::new();
    history.push("jobs", "refused", at(1), Learned::Failed, Duration::ZERO);
    history.pull("jobs", at(2), MINUTE, got("refused", "lease 1", 1));
    history.push("jobs", "later", at(5), Learned::Ok, Duration::ZERO);
    history.pull("jobs", at(3), MINUTE, got("later", "lease 2", 1));
    assert_eq!(broken(&history), [Rule::C2, Rule::C2, Rule::C6], "too early is also within its delay of 0");
}

#[test]
fn c3_a_delivery_after_an_answered_ack() {
    let mut history = pulled();
    history.ack("lease 1", at(3), Learned::Ok);
    history.pull("jobs", at(90), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&history), [Rule::C3]);
}

#[test]
fn c3_says_nothing_of_unanswered_acks_and_overlapping_pulls() {
    let mut unanswered = pulled();
    unanswered.ack("lease 1", at(3), Learned::Unknown);
    unanswered.pull("jobs", at(90), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&unanswered), []);

    let mut overlapping = pulled();
    overlapping.ack("lease 1", at(90), Learned::Ok);
    overlapping.pull("jobs", at(90), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&overlapping), []);
}

#[test]
fn c4_a_delivery_during_a_lease() {
    let mut history = pulled();
    history.pull("jobs", at(61), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&history), [Rule::C4]);
}

#[test]
fn c4_a_retry_ends_a_lease_even_if_its_answer_never_came() {
    let mut history = pulled();
    history.retry("lease 1", at(3), Learned::Unknown, Duration::ZERO);
    history.pull("jobs", at(4), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&history), []);

    let mut refused = pulled();
    refused.retry("lease 1", at(3), Learned::Failed, Duration::ZERO);
    refused.pull("jobs", at(4), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&refused), [Rule::C4]);

    let mut later = pulled();
    later.pull("jobs", at(4), MINUTE, got("a", "lease 2", 2));
    later.retry("lease 1", at(5), Learned::Unknown, Duration::ZERO);
    assert_eq!(broken(&later), [Rule::C4]);
}

#[test]
fn c4_a_delivery_under_a_lease_that_was_extended() {
    let extended = |learned| {
        let mut history = pulled();
        history.extend("lease 1", at(30), learned, MINUTE);
        history.pull("jobs", at(70), MINUTE, got("a", "lease 2", 2));
        broken(&history)
    };
    assert_eq!(extended(Learned::Ok), [Rule::C4]);
    assert_eq!(extended(Learned::Unknown), []);
    assert_eq!(extended(Learned::Failed), []);
}

#[test]
fn c5_a_skipped_attempt_needs_a_lost_pull() {
    let mut history = pulled();
    history.pull("jobs", at(200), MINUTE, got("a", "lease 3", 3));
    assert_eq!(broken(&history), [Rule::C5]);
    history.lost_pull("jobs", at(100).invoked);
    assert_eq!(broken(&history), []);
}

#[test]
fn c5_attempts_that_run_backwards() {
    let mut history = pushed();
    history.pull("jobs", at(2), MINUTE, got("a", "lease 2", 2));
    history.pull("jobs", at(90), MINUTE, got("a", "lease 1", 1));
    assert_eq!(broken(&history), [Rule::C5]);
}

#[test]
fn c5_more_deliveries_than_allowed() {
    let mut history = pulled();
    for attempts in 2..=4 {
        let lease = format!("lease {attempts}");
        history.pull("jobs", at(100 * u64::from(attempts)), MINUTE, got("a", &lease, attempts));
    }
    assert_eq!(broken(&history), [Rule::C5]);
}

#[test]
fn c5_a_dead_letter_that_had_attempts_left() {
    let mut history = pulled();
    history.pull("jobs", at(70), MINUTE, got("a", "lease 2", 2));
    history.pull("dead", at(200), MINUTE, got("a", "lease 3", 1));
    assert_eq!(broken(&history), [Rule::C5]);
    history.lost_pull("jobs", at(140).invoked);
    assert_eq!(broken(&history), []);
}

#[test]
fn c5_a_dead_letter_that_is_in_its_old_queue_still() {
    let mut history = pulled();
    history.pull("jobs", at(70), MINUTE, got("a", "lease 2", 2));
    history.lost_pull("jobs", at(140).invoked);
    history.pull("dead", at(300), MINUTE, got("a", "lease 3", 1));
    history.pull("jobs", at(400), MINUTE, got("a", "lease 4", 3));
    assert_eq!(broken(&history), [Rule::C5]);
}

#[test]
fn c6_a_delivery_within_a_delay() {
    let mut history = History::new();
    history.push("jobs", "a", at(1), Learned::Unknown, MINUTE);
    history.pull("jobs", at(60), MINUTE, got("a", "lease 1", 1));
    assert_eq!(broken(&history), [Rule::C6]);

    let mut retried = pulled();
    retried.retry("lease 1", at(3), Learned::Ok, MINUTE * 10);
    retried.pull("jobs", at(100), MINUTE, got("a", "lease 2", 2));
    assert_eq!(broken(&retried), [Rule::C6]);
}

#[test]
fn c7_a_delivery_after_a_purge() {
    let mut history = pushed();
    history.purge("jobs", at(2), Learned::Ok);
    assert_eq!(broken(&history), [], "a purged message is not lost");
    history.pull("jobs", at(3), MINUTE, got("a", "lease 1", 1));
    assert_eq!(broken(&history), [Rule::C7]);

    let mut unanswered = pushed();
    unanswered.purge("jobs", at(2), Learned::Unknown);
    assert_eq!(broken(&unanswered), []);

    let mut late = History::new();
    late.push("jobs", "a", at(1), Learned::Unknown, Duration::ZERO);
    late.purge("jobs", at(2), Learned::Ok);
    late.pull("jobs", at(3), MINUTE, got("a", "lease 1", 1));
    assert_eq!(broken(&late), [], "a push that was not answered may come after the purge");
}

#[test]
fn c8_a_second_delivery_that_is_not_counted() {
    let mut history = pulled();
    history.pull("jobs", at(90), MINUTE, got("a", "lease 2", 1));
    assert_eq!(broken(&history), [Rule::C8]);
}

#[test]
fn c10_a_lease_that_is_issued_twice() {
    let mut history = pulled();
    history.pull("jobs", at(90), MINUTE, got("a", "lease 1", 2));
    assert_eq!(broken(&history), [Rule::C10]);
}

#[test]
fn a_record_that_cannot_be_judged_is_refused() {
    let mut history = pulled();
    history.push("jobs", "a", at(1), Learned::Ok, Duration::ZERO);
    history.ack("nobody's", at(3), Learned::Ok);
    assert_eq!(broken(&history), [Rule::Record, Rule::Record]);
    assert!(history.check().iter().all(|violation| violation.to_string().starts_with("Record: ")));
}
