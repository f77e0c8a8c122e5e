//! Pushes that are carried out at most once, and what a repeat of them must come to.

use kew_embedded::Embedded;
use kew_model::{Broker, ContentType, Error, Idempotency, Limits, Place, PushBatch, Seconds, Timestamp};
use kew_testkit::wait;
use rand::RngExt;

use super::{Stopped, Workload, body};

/// How many of the latest are kept, to be repeated.
const KEPT: usize = 4;

/// A push of one message under an idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    place: Place,
    number: u64,
    at: Timestamp,
    /// Whether it was answered, and so has to be remembered.
    answered: bool,
}

impl Once {
    fn batch(&self) -> PushBatch {
        let mut batch = PushBatch::new();
        batch.add(&self.body(), ContentType::Bytes, None).expect("a short body");
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.number.to_be_bytes());
        batch.idempotency = Some(Idempotency { key, content: key });
        batch
    }

    fn body(&self) -> Vec<u8> {
        body(self.number, 24)
    }

    /// Repeats it after a crash, twice: what was answered was carried out, what was not is carried out by now, and
    /// neither a second time. Says what is wrong otherwise.
    pub(crate) fn repeat_after_crash(&self, store: &Embedded, now: Timestamp) -> Result<(), String> {
        if now >= self.at.after(Seconds(Limits::IDEMPOTENCY_SECONDS)) {
            return Ok(());
        }
        for must_know in [self.answered, true] {
            match wait(store.push(self.place, self.batch())) {
                Ok(pushed) if must_know && !pushed.repeated => {
                    return Err(format!("message {} was published again", self.number));
                }
                Ok(_) => {}
                Err(Error::QueueNotFound) => return Ok(()),
                Err(error) => return Err(format!("message {} cannot be repeated: {error}", self.number)),
            }
        }
        let copies =
            store.inspect().bodies()?.into_iter().filter(|(_, _, body)| *body == self.body()).count();
        match (copies, self.answered) {
            // An answered one may have been taken since, or have moved on.
            (1, _) | (0, true) => Ok(()),
            _ => Err(format!("message {} is there {copies} times", self.number)),
        }
    }
}

impl Workload {
    /// A push under a new key, or again under one of the latest.
    pub(super) fn push_once(&mut self, place: Place) -> Result<(), Stopped> {
        if self.random.random_bool(0.3) && !self.onces.is_empty() {
            let at = self.random.random_range(0..self.onces.len());
            return self.push_again(&self.onces[at].clone());
        }
        self.pushed += 1;
        let at = kew_model::Clock::now(&*self.clock);
        let once = Once { place, number: self.pushed, at, answered: false };
        self.onces.push(once.clone());
        let answer = wait(self.store.push(place, once.batch()));
        if let Some(pushed) = self.note(answer)? {
            assert!(!pushed.repeated, "the key is new");
            self.onces.last_mut().expect("it was put there").answered = true;
        } else {
            self.onces.pop();
        }
        let beyond = self.onces.len().saturating_sub(KEPT);
        self.onces.drain(..beyond);
        Ok(())
    }

    fn push_again(&mut self, once: &Once) -> Result<(), Stopped> {
        let mut other = once.batch();
        other.idempotency = other.idempotency.map(|asked| Idempotency { content: [0xff; 16], ..asked });
        let refused = wait(self.store.push(once.place, other));
        let remembered =
            kew_model::Clock::now(&*self.clock) < once.at.after(Seconds(Limits::IDEMPOTENCY_SECONDS));
        if remembered && self.store.queue(once.place).is_some() {
            assert!(refused.is_err(), "another content under the same key: {refused:?}");
            self.note(refused)?;
            let answer = wait(self.store.push(once.place, once.batch()));
            if let Some(pushed) = self.note(answer)? {
                assert!(pushed.repeated, "{once:?} is remembered");
                self.done.repeated += 1;
            }
        } else {
            self.note(refused)?;
        }
        Ok(())
    }
}
