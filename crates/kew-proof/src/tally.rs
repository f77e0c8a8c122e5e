//! The numbers of a run, for whoever reads the test's output.

use core::fmt;
use std::collections::{HashMap, HashSet};

use kew_testkit::history::Learned;

use crate::record::{Event, Record};

/// How much happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages whose push was answered.
    pub messages_answered: u64,
    /// Messages whose push was not: they may be there or not.
    pub messages_unknown: u64,
    /// Messages of unanswered pushes that were delivered nevertheless.
    pub messages_unknown_delivered: u64,
    /// Deliveries; of those to a message that was sent back, only the last round.
    pub deliveries: u64,
    /// Those that were not a message's first from its queue, by what explains them: a retry.
    pub again_after_retry: u64,
    /// The end of a lease that somebody held.
    pub again_after_expiry: u64,
    /// An answer that nobody saw.
    pub again_after_lost_answer: u64,
    /// Messages that came from the dead-letter queue.
    pub dead_letters: u64,
    /// Pulls without an answer.
    pub pulls_lost: u64,
    /// Acks that were answered and counted.
    pub acks_answered: u64,
    /// Acks and retries without an answer.
    pub settles_unknown: u64,
    /// Leases that were answered as extended.
    pub extensions: u64,
    /// Purges that were answered.
    pub purges: u64,
    /// Dead letters that were sent back, as the answers tell.
    pub redriven: u64,
    /// Answered pushes that were repeated.
    pub repeats: u64,
    /// Pushes whose answer was lost and which were repeated: those that had happened.
    pub lost_and_done: u64,
    /// Those that had not.
    pub lost_and_not_done: u64,
}

impl Tally {
    /// Counts a record. `dead` is the dead-letter queue.
    pub fn of(record: &Record, dead: &str) -> Self {
        let mut tally = Self::default();
        let mut leases: HashMap<(&str, &str, u16), &str> = HashMap::new();
        let mut retried = HashSet::new();
        let mut unknown = HashSet::new();
        for event in &record.events {
            match event {
                Event::Push { learned: Learned::Ok, .. } => tally.messages_answered += 1,
                Event::Push { key, learned: Learned::Unknown, .. } => {
                    tally.messages_unknown += 1;
                    unknown.insert(key.as_str());
                }
                Event::Pull { queue, delivered, .. } => {
                    leases.extend(
                        delivered.iter().map(|one| ((queue.as_str(), &*one.key, one.attempts), &*one.lease)),
                    );
                }
                Event::LostPull { .. } => tally.pulls_lost += 1,
                Event::Ack { learned: Learned::Ok, .. } => tally.acks_answered += 1,
                Event::Retry { lease, learned: Learned::Ok, .. } => {
                    retried.insert(lease.as_str());
                }
                Event::Retry { lease, learned: Learned::Unknown, .. } => {
                    retried.insert(lease.as_str());
                    tally.settles_unknown += 1;
                }
                Event::Ack { learned: Learned::Unknown, .. } => tally.settles_unknown += 1,
                Event::Extend { learned: Learned::Ok, .. } => tally.extensions += 1,
                Event::Purge { learned: Learned::Ok, .. } => tally.purges += 1,
                Event::Redrive { moved, .. } => tally.redriven += moved,
                Event::Repeat { before: Learned::Ok, .. } => tally.repeats += 1,
                Event::Repeat { is_repeat: true, .. } => tally.lost_and_done += 1,
                Event::Repeat { .. } => tally.lost_and_not_done += 1,
                Event::Push { .. }
                | Event::Ack { .. }
                | Event::Retry { .. }
                | Event::Extend { .. }
                | Event::Purge { .. } => {}
            }
        }
        let dead_letters: HashSet<_> = leases.keys().filter(|(queue, ..)| *queue == dead).collect();
        tally.dead_letters = dead_letters.iter().map(|(_, key, _)| key).collect::<HashSet<_>>().len() as u64;
        let delivered: HashSet<_> = leases.keys().map(|(_, key, _)| *key).collect();
        tally.messages_unknown_delivered = unknown.intersection(&delivered).count() as u64;
        tally.count_deliveries(&leases, &retried);
        tally
    }

    fn count_deliveries(&mut self, leases: &HashMap<(&str, &str, u16), &str>, retried: &HashSet<&str>) {
        for (queue, key, attempts) in leases.keys() {
            self.deliveries += 1;
            if *attempts < 2 {
                continue;
            }
            match leases.get(&(*queue, *key, attempts - 1)) {
                Some(before) if retried.contains(before) => self.again_after_retry += 1,
                Some(_) => self.again_after_expiry += 1,
                None => self.again_after_lost_answer += 1,
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "messages: {} answered, {} unknown ({} of them delivered); deliveries: {}, again: {} after a retry, {} after a \
             lease's end, {} after an answer nobody saw; dead letters: {}; acks answered: {}; without answer: {} pulls, {} \
             acks and retries; leases extended: {}; purges: {}; redriven: {}; pushes repeated: {} after an answer, {} lost \
             ones that had happened and {} that had not",
            self.messages_answered,
            self.messages_unknown,
            self.messages_unknown_delivered,
            self.deliveries,
            self.again_after_retry,
            self.again_after_expiry,
            self.again_after_lost_answer,
            self.dead_letters,
            self.acks_answered,
            self.pulls_lost,
            self.settles_unknown,
            self.extensions,
            self.purges,
            self.redriven,
            self.repeats,
            self.lost_and_done,
            self.lost_and_not_done
        )
    }
}
