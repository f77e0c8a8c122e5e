//! Failed attempts: a message goes back into its queue or, after its last allowed attempt, out of it.

use kew_model::{AckOutcome, Error, Place, Queue, QueueSettings, Sequence, Timestamp};

use super::Moment;
use super::state::{Held, Message, State};

impl State {
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
        held.departed.insert(sequence, AckOutcome::Exhausted);
        let origin = Some(held.queue.number);
        if let Some(target) = self.dead_letter_target(moment, place, failed_at) {
            self.held_mut(target)?.append(Message {
                enqueued_at: failed_at,
                origin,
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
