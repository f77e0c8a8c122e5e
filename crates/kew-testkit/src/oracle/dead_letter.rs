//! What is due: leases that ended, and where messages go whose last allowed attempt failed.

use kew_model::{Error, Place, Queue, QueueNumber, QueueSettings, Sequence, Timestamp};

use super::Moment;
use super::state::{Held, Message, State};

impl State {
    /// Ends every lease whose time is over: the earliest first, then by queue and sequence. No lease begins by another
    /// one's end, so one look finds them all.
    pub(super) fn settle_due(&mut self, moment: &Moment<'_>) {
        let mut due: Vec<(Timestamp, QueueNumber, Sequence, Place)> = Vec::new();
        for held in &self.queues {
            for (sequence, message) in &held.messages {
                if let Some(deadline) = message.leased_until.filter(|deadline| *deadline <= moment.now) {
                    due.push((deadline, held.queue.number, *sequence, held.place()));
                }
            }
        }
        due.sort_by_key(|(deadline, number, sequence, _)| (*deadline, *number, *sequence));
        for (deadline, _, sequence, place) in due {
            let consumer = self.held(place).ok().and_then(|held| held.queue.consumer.as_ref());
            let delay = consumer.map(|consumer| consumer.kind.retry_delay()).unwrap_or_default();
            let failed = self.fail(moment, place, sequence, deadline, deadline.after(delay));
            debug_assert_eq!(failed, Ok(()), "a queue with a lease exists");
        }
    }

    /// Ends the lease of a message unacknowledged, at the moment `failed_at`: back into the queue at `available_at`, or,
    /// if that was its last allowed attempt, out of it (spec §4.6).
    pub(super) fn fail(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        sequence: Sequence,
        failed_at: Timestamp,
        available_at: Timestamp,
    ) -> Result<(), Error> {
        self.news = true;
        let held = self.held_mut(place)?;
        let allowed = held.queue.consumer.as_ref().map(|consumer| consumer.kind.max_retries() + 1);
        let Some(message) = held.messages.get_mut(&sequence) else { return Ok(()) };
        message.leased_until = None;
        message.available_at = available_at;
        if allowed.is_none_or(|allowed| message.attempts < allowed) {
            return Ok(());
        }
        let Some(message) = held.messages.remove(&sequence) else { return Ok(()) };
        held.exhausted.insert(sequence);
        if let Some(target) = self.dead_letter_target(moment, place, failed_at) {
            self.held_mut(target)?.append(Message {
                available_at: failed_at,
                attempts: 0,
                fence: None,
                leased_until: None,
                ..message
            });
        }
        Ok(())
    }

    /// Finds the dead-letter queue of a queue: by id; if that is gone, by name; if there is none, a new one.
    fn dead_letter_target(&mut self, moment: &Moment<'_>, source: Place, at: Timestamp) -> Option<Place> {
        let queue = &self.held(source).ok()?.queue;
        let jurisdiction = queue.jurisdiction;
        let link = queue.consumer.as_ref()?.dead_letter_queue.clone()?;
        let linked = Place { account: source.account, queue: link.queue };
        if self.held(linked).is_ok() {
            return Some(linked);
        }
        let target = match self.named(source.account, link.name.as_str()) {
            Some(held) => held.place(),
            None => {
                let number = self.next_queue_number();
                let id = kew_model::QueueId(moment.chance.id());
                self.queues.push(Held::new(Queue {
                    number,
                    id,
                    account: source.account,
                    name: link.name,
                    created_on: at,
                    modified_on: at,
                    jurisdiction,
                    settings: QueueSettings::default(),
                    consumer: None,
                    purge: None,
                }));
                Place { account: source.account, queue: id }
            }
        };
        let consumer = self.held_mut(source).ok()?.queue.consumer.as_mut()?;
        consumer.dead_letter_queue.as_mut()?.queue = target.queue;
        Some(target)
    }
}
