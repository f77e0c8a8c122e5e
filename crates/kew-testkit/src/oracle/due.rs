//! What is due: messages whose retention ended, and leases that ended.

use kew_model::{AckOutcome, Place, QueueNumber, Sequence, Timestamp};

use super::Moment;
use super::state::{Held, State};

impl State {
    /// Does what is due by now, one moment after another: a dead letter that arrived at one of them may expire at a later
    /// one. At each moment messages expire first, so that a lease that ends with its message's retention fails nothing;
    /// then leases end, by queue and sequence.
    pub(super) fn settle_due(&mut self, moment: &Moment<'_>) {
        while let Some(at) = self.next_due().filter(|at| *at <= moment.now) {
            self.queues.iter_mut().for_each(|held| held.expire(at));
            self.end_leases(moment, at);
        }
    }

    /// The next moment at which something is due. It may lie in the past: a retention period that was lowered has moved
    /// the ends of stored messages there.
    fn next_due(&self) -> Option<Timestamp> {
        let of_queue = |held: &Held| {
            let expiry = held.messages.values().next().map(|oldest| held.expires_at(oldest));
            let leases = held.messages.values().filter_map(|message| message.leased_until);
            leases.chain(expiry).min()
        };
        self.queues.iter().filter_map(of_queue).min()
    }

    /// Ends the leases that end at this moment.
    fn end_leases(&mut self, moment: &Moment<'_>, at: Timestamp) {
        let mut ended: Vec<(QueueNumber, Sequence, Place)> = Vec::new();
        for held in &self.queues {
            let of_queue = held.messages.iter().filter(|(_, message)| message.leased_until == Some(at));
            ended.extend(of_queue.map(|(sequence, _)| (held.queue.number, *sequence, held.place())));
        }
        ended.sort_by_key(|(number, sequence, _)| (*number, *sequence));
        for (_, sequence, place) in ended {
            let consumer = self.held(place).ok().and_then(|held| held.queue.consumer.as_ref());
            let delay = consumer.map(|consumer| consumer.kind.retry_delay()).unwrap_or_default();
            let failed = self.fail(moment, place, sequence, at, at.after(delay));
            debug_assert_eq!(failed, Ok(()), "a queue with a lease exists");
        }
    }
}

impl Held {
    /// Lets go of the messages whose retention is over at this moment, in the order of their sequences (B8): one that
    /// stays keeps those behind it.
    fn expire(&mut self, at: Timestamp) {
        while let Some((sequence, oldest)) = self.messages.first_key_value() {
            if self.expires_at(oldest) > at {
                break;
            }
            self.departed.insert(*sequence, AckOutcome::RetentionEnded);
            self.messages.pop_first();
        }
    }
}
