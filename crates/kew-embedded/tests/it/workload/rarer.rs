//! The verbs of a run that come more rarely than pushes, pulls and settlements.

use kew_model::{
    Broker, Destination, EventSource, Extend, Milliseconds, NewSubscription, NewToken, Peek, Place,
    QueueChange, QueuePattern, Redrive, Scope, Seconds, SecretHash, Sequence, SubscriptionChange, TokenId,
};
use kew_testkit::wait;
use rand::RngExt;

use super::{ACCOUNT, Stopped, Workload, is_body};

impl Workload {
    pub(super) fn rarer(&mut self, place: Place) -> Result<(), Stopped> {
        match self.random.random_range(0..18) {
            0 => self.discard(place),
            1 | 2 => self.extend(place),
            3 => {
                let answer = wait(self.store.purge(place));
                self.note(answer).map(drop)
            }
            4 | 5 => self.change(place),
            6 => {
                let answer = wait(self.store.delete_queue(place));
                self.note(answer)?;
                self.leases.retain(|(of, _)| *of != place);
                Ok(())
            }
            7 => self.prepare(),
            8 => self.grant(),
            9 => self.revoke(),
            10 | 11 => self.peek(place),
            12 | 13 => self.redrive(place),
            14 => self.keep_briefly(place),
            15 => self.pass_minutes(),
            16 => self.subscribe(place),
            _ => self.unsubscribe(place),
        }
    }

    fn discard(&mut self, place: Place) -> Result<(), Stopped> {
        let messages = (0..3).map(|_| Sequence(self.random.random_range(1..200))).collect();
        let answer = wait(self.store.discard(place, messages));
        self.note(answer).map(drop)
    }

    fn extend(&mut self, place: Place) -> Result<(), Stopped> {
        let leases = self.leases.iter().rev().filter(|(of, _)| *of == place).take(3);
        let leases = leases.map(|(_, lease)| *lease).collect();
        let visibility_timeout = Some(Milliseconds(self.random.random_range(0..60_000)));
        let answer = wait(self.store.extend(place, Extend { leases, visibility_timeout }));
        self.note(answer).map(drop)
    }

    fn change(&mut self, place: Place) -> Result<(), Stopped> {
        let delivery_delay = Some(Seconds(self.random.random_range(0..3)));
        let change = QueueChange { delivery_delay, ..QueueChange::default() };
        let answer = wait(self.store.update_queue(place, change));
        self.note(answer).map(drop)
    }

    /// A peek shows whole bodies, and changes nothing.
    fn peek(&mut self, place: Place) -> Result<(), Stopped> {
        let batch_size = Some(self.random.random_range(1..10));
        let answer = wait(self.store.peek(place, Peek { batch_size }));
        if let Some(peeked) = self.note(answer)? {
            let bodies = peeked.messages.iter().map(|message| peeked.body(message));
            assert!(bodies.clone().all(is_body), "a peeked body is one that was pushed");
            if bodies.len() > 0 {
                let again = wait(self.store.peek(place, Peek { batch_size }));
                if let Some(again) = self.note(again)? {
                    assert_eq!(again.messages.len(), peeked.messages.len(), "a peek took something");
                }
                self.done.peeked += 1;
            }
        }
        Ok(())
    }

    /// Dead letters go back to where they came from, or to another queue.
    fn redrive(&mut self, place: Place) -> Result<(), Stopped> {
        let other = self.place().filter(|other| *other != place);
        let destination = match other.filter(|_| self.random.random_bool(0.5)) {
            Some(other) => Destination::Queue(other.queue),
            None => Destination::Origin,
        };
        let batch_size = self.random.random_range(1..20);
        let answer = wait(self.store.redrive(place, Redrive { destination, batch_size }));
        self.done.redriven += self.note(answer)?.map_or(0, |redriven| redriven.moved);
        Ok(())
    }

    /// Messages of the queue may stay for a minute or a few; or for days again.
    fn keep_briefly(&mut self, place: Place) -> Result<(), Stopped> {
        let period = Seconds([60, 150, 345_600][self.random.random_range(0..3)]);
        let change = QueueChange { message_retention_period: Some(period), ..QueueChange::default() };
        let answer = wait(self.store.update_queue(place, change));
        self.note(answer).map(drop)
    }

    /// Longer than the shorter retention periods, with or without somebody who notices.
    fn pass_minutes(&mut self) -> Result<(), Stopped> {
        self.clock.advance(Milliseconds(self.random.random_range(30_000..200_000)));
        if self.random.random_bool(0.5) {
            let answer = wait(self.store.housekeep());
            self.note(answer)?;
        }
        Ok(())
    }

    fn subscribe(&mut self, place: Place) -> Result<(), Stopped> {
        let kind = ["r2", "kv", "vectorize"][self.random.random_range(0..3)].to_owned();
        let new = NewSubscription {
            name: "one".to_owned(),
            enabled: true,
            source: EventSource { kind, selector: Vec::new() },
            events: vec!["an.event".to_owned()],
            destination: place.queue,
        };
        let answer = wait(self.store.create_subscription(ACCOUNT, new));
        let made = self.note(answer)?;
        self.subscriptions.extend(made.map(|subscription| subscription.id));
        Ok(())
    }

    fn unsubscribe(&mut self, place: Place) -> Result<(), Stopped> {
        let Some(id) = self.subscriptions.pop() else { return self.subscribe(place) };
        if self.random.random_bool(0.5) {
            let change = SubscriptionChange { enabled: Some(false), ..SubscriptionChange::default() };
            let answer = wait(self.store.update_subscription(ACCOUNT, id, change));
            self.note(answer)?;
        }
        let answer = wait(self.store.delete_subscription(ACCOUNT, id));
        self.note(answer).map(drop)
    }

    fn grant(&mut self) -> Result<(), Stopped> {
        let id = TokenId(self.random.random());
        let token = NewToken {
            id,
            name: "one".to_owned(),
            hash: SecretHash([1; 32]),
            email: None,
            scopes: [Scope::Push].into_iter().collect(),
            queues: QueuePattern::All,
            expires_on: None,
        };
        let answer = wait(self.store.create_token(ACCOUNT, token));
        self.note(answer)?;
        self.tokens.push(id);
        Ok(())
    }

    fn revoke(&mut self) -> Result<(), Stopped> {
        if let Some(id) = self.tokens.pop() {
            let answer = wait(self.store.revoke_token(ACCOUNT, id));
            self.note(answer)?;
        }
        Ok(())
    }
}
