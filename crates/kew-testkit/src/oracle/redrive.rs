//! Redrive: messages of a dead-letter queue go back to where they can be processed again.

use kew_model::{Destination, Error, Limits, Place, Redrive, Redriven, Sequence};

use super::Moment;
use super::messages::ready;
use super::state::{Message, State};

/// How many messages one step looks at for such as have an origin to go to.
const CANDIDATES_MAX: usize = 100_000;

impl State {
    /// Goes through what a pull could take now, in its order, and moves what has somewhere to go.
    pub(super) fn redrive(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        redrive: Redrive,
    ) -> Result<Redriven, Error> {
        let source = self.held(place)?;
        if let Destination::Queue(queue) = redrive.destination {
            self.held(Place { queue, ..place }).map_err(|_| Error::DestinationNotFound)?;
            if queue == place.queue {
                return Err(Error::RedriveCycle);
            }
        }
        let mut redriven = Redriven::default();
        let mut bytes = 0;
        for sequence in ready(source, moment.now).into_iter().take(CANDIDATES_MAX) {
            let message = &self.held(place)?.messages[&sequence];
            let Some(target) = self.target_of(place, message, redrive.destination) else {
                redriven.without_origin += 1;
                continue;
            };
            bytes += message.accounted_bytes();
            if redriven.moved > 0 && bytes > Limits::BATCH_BYTES_MAX {
                break;
            }
            self.move_back(moment, place, sequence, target)?;
            redriven.moved += 1;
            if redriven.moved == u64::from(redrive.batch_size) {
                break;
            }
        }
        redriven.left = self.held(place)?.backlog().count;
        Ok(redriven)
    }

    /// Where a message would go, if there is such a place: never where it is.
    fn target_of(&self, source: Place, message: &Message, destination: Destination) -> Option<Place> {
        match destination {
            Destination::Queue(queue) => Some(Place { queue, ..source }),
            Destination::Origin => {
                let origin = self.queues.iter().find(|held| Some(held.queue.number) == message.origin)?;
                Some(origin.place()).filter(|origin| *origin != source)
            }
        }
    }

    /// Moves one message as if it had never been tried: at once available, to be kept for the target's whole period.
    fn move_back(
        &mut self,
        moment: &Moment<'_>,
        source: Place,
        sequence: Sequence,
        target: Place,
    ) -> Result<(), Error> {
        let Some(message) = self.held_mut(source)?.messages.remove(&sequence) else { return Ok(()) };
        self.held_mut(target)?.append(Message {
            enqueued_at: moment.now,
            origin: None,
            available_at: moment.now,
            attempts: 0,
            fence: None,
            leased_until: None,
            ..message
        });
        self.news = true;
        Ok(())
    }
}
