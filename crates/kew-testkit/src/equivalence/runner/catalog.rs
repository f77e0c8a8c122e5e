//! The steps of queues, consumers and tokens.

use kew_model::{
    Consumer, ConsumerId, ConsumerKind, Error, Milliseconds, NewConsumer, NewQueue, NewToken, Place,
    PullSettings, QueueChange, QueueName, QueuePattern, QueueSettings, Scope, ScopeSet, Seconds, SecretHash,
    TokenId, WorkerSettings,
};

use super::super::pairing::same;
use super::super::script::{Consuming, Slot, Whose};
use super::{ACCOUNT, Pair};
use crate::subject::Subject;
use crate::wait::wait;

/// A consumer that no queue has.
const NOBODY: ConsumerId = ConsumerId([0xCC; 16]);

impl<A: Subject, B: Subject> Pair<A, B> {
    pub(super) fn create(&mut self, slot: Slot) -> Result<(), String> {
        let new = NewQueue {
            name: name_of(slot)?,
            id: None,
            jurisdiction: None,
            settings: QueueSettings::default(),
        };
        self.both_show(|broker, _| wait(broker.create_queue(ACCOUNT, new.clone())))?;
        self.take_over(slot)
    }

    /// If the slot's queue is not there (any more), the one that has its name now is the slot's.
    pub(super) fn take_over(&mut self, slot: Slot) -> Result<(), String> {
        self.housekeep(Whose::Both)?;
        let places = self.places[slot];
        let gone = [0, 1].map(|index| self.brokers[index].queue(places[index]).is_none());
        same("whether the queue is there", &gone[0], &gone[1])?;
        let name = name_of(slot)?;
        let named = [0, 1].map(|index| self.brokers[index].queue_named(ACCOUNT, name.as_str()));
        if let ([true, true], [Some(a), Some(b)]) = (gone, named) {
            self.names.same_queue(&a, &b)?;
            self.places[slot] = [a.id, b.id].map(|queue| Place { account: ACCOUNT, queue });
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, slot: Slot) -> Result<(), String> {
        let places = self.places[slot];
        self.promises.forget(slot);
        self.both(|broker, index| wait(broker.delete_queue(places[index]))).map(drop)
    }

    fn change(&mut self, slot: Slot, change: &QueueChange) -> Result<(), String> {
        let places = self.places[slot];
        self.both_show(|broker, index| wait(broker.update_queue(places[index], change.clone()))).map(drop)
    }

    pub(super) fn pause(&mut self, slot: Slot, paused: bool) -> Result<(), String> {
        self.change(slot, &QueueChange { delivery_paused: Some(paused), ..QueueChange::default() })
    }

    pub(super) fn set_delay(&mut self, slot: Slot, seconds: u32) -> Result<(), String> {
        self.change(slot, &QueueChange { delivery_delay: Some(Seconds(seconds)), ..QueueChange::default() })
    }

    pub(super) fn set_retention(&mut self, slot: Slot, seconds: u32) -> Result<(), String> {
        let period = Some(Seconds(seconds));
        self.change(slot, &QueueChange { message_retention_period: period, ..QueueChange::default() })
    }

    /// Between the slot's two names.
    pub(super) fn rename(&mut self, slot: Slot) -> Result<(), String> {
        let usual = name_of(slot)?;
        let has_usual = self.brokers[0].queue(self.places[slot][0]).is_some_and(|queue| queue.name == usual);
        let name = if has_usual { name(&format!("{usual}-renamed"))? } else { usual };
        self.change(slot, &QueueChange { name: Some(name), ..QueueChange::default() })
    }

    pub(super) fn attach(&mut self, slot: Slot, consumer: Consuming) -> Result<(), String> {
        let places = self.places[slot];
        let new = new_consumer(consumer)?;
        let made = self.both(|broker, index| wait(broker.create_consumer(places[index], new.clone())))?;
        self.same_made(made.as_ref().map(|[a, b]| [&**a, &**b]), consumer)
    }

    pub(super) fn replace(&mut self, slot: Slot, same_id: bool, consumer: Consuming) -> Result<(), String> {
        let places = self.places[slot];
        let new = new_consumer(consumer)?;
        let ids = [0, 1].map(|index| if same_id { self.consumer_of(slot, index) } else { NOBODY });
        let made =
            self.both(|broker, index| wait(broker.replace_consumer(places[index], ids[index], new.clone())))?;
        self.same_made(made.as_ref().map(|[a, b]| [&**a, &**b]), consumer)
    }

    fn same_made(&mut self, made: Option<[&Consumer; 2]>, consumer: Consuming) -> Result<(), String> {
        if let Some([a, b]) = made {
            self.names.same_consumer(a, b)?;
            if let Some(slot) = consumer.dead_letters {
                self.take_over(slot)?;
            }
        }
        Ok(())
    }

    pub(super) fn detach(&mut self, slot: Slot) -> Result<(), String> {
        let places = self.places[slot];
        let ids = [0, 1].map(|index| self.consumer_of(slot, index));
        self.both(|broker, index| wait(broker.delete_consumer(places[index], ids[index]))).map(drop)
    }

    fn consumer_of(&self, slot: Slot, index: usize) -> ConsumerId {
        let queue = self.brokers[index].queue(self.places[slot][index]);
        queue.and_then(|queue| queue.consumer.as_ref().map(|consumer| consumer.id)).unwrap_or(NOBODY)
    }

    pub(super) fn create_token(&mut self, number: u8) -> Result<(), String> {
        let new = NewToken {
            id: TokenId([number; 16]),
            name: format!("token {number}"),
            hash: SecretHash([number; 32]),
            email: number.is_multiple_of(2).then(|| "Someone@Example.com".to_owned()),
            scopes: ScopeSet::default().with(Scope::Consume),
            queues: QueuePattern::All,
            expires_on: None,
        };
        let made = self.both(|broker, _| wait(broker.create_token(ACCOUNT, new.clone())))?;
        made.map_or(Ok(()), |[a, b]| same("token", &a, &b))
    }

    pub(super) fn revoke_token(&mut self, number: u8) -> Result<(), String> {
        let id = TokenId([number; 16]);
        self.both(|broker, _| wait(broker.revoke_token(ACCOUNT, id))).map(drop)
    }

    /// Compares everything that the catalog shows, once what is due is done on both sides.
    pub(super) fn catalog(&mut self) -> Result<(), String> {
        self.housekeep(Whose::Both)?;
        let [a, b] = [0, 1].map(|index| &self.brokers[index]);
        same("accounts", &a.accounts(), &b.accounts())?;
        same("tokens", &a.tokens(ACCOUNT), &b.tokens(ACCOUNT))?;
        let email = "someone@example.com";
        same("tokens of an address", &a.tokens_by_email(email), &b.tokens_by_email(email))?;
        let (queues, others) = (a.queues(ACCOUNT), b.queues(ACCOUNT));
        same("how many queues there are", &queues.len(), &others.len())?;
        for (queue, other) in queues.iter().zip(&others) {
            self.names.same_queue(queue, other)?;
        }
        self.same_subscriptions()
    }
}

fn name(text: &str) -> Result<QueueName, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn name_of(slot: Slot) -> Result<QueueName, String> {
    name(&format!("q{slot}"))
}

fn new_consumer(consumer: Consuming) -> Result<NewConsumer, String> {
    let retry_delay = Seconds(consumer.retry_delay_seconds);
    let kind = if consumer.pulls {
        ConsumerKind::HttpPull(PullSettings {
            batch_size: consumer.batch_size,
            max_retries: consumer.max_retries,
            retry_delay,
            visibility_timeout: Milliseconds(consumer.visibility_timeout_ms),
        })
    } else {
        ConsumerKind::Worker(WorkerSettings {
            script_name: "worker".to_owned(),
            environment_name: String::new(),
            batch_size: consumer.batch_size,
            max_concurrency: None,
            max_retries: consumer.max_retries,
            max_wait: Milliseconds(5_000),
            retry_delay,
        })
    };
    let dead_letter_queue = consumer.dead_letters.map(name_of).transpose()?;
    Ok(NewConsumer { kind, dead_letter_queue })
}
