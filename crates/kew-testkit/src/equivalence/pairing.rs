//! Things that two brokers name differently, and how they are told to be the same.

use core::fmt::Debug;
use core::hash::Hash;
use std::collections::HashMap;

use kew_model::{Consumer, ConsumerId, MessageId, Queue, QueueId, QueueNumber, Subscription, SubscriptionId};

/// A bijection that grows: two names belong together from their first appearance on.
pub(super) struct Pairing<T> {
    forth: HashMap<T, T>,
    back: HashMap<T, T>,
}

impl<T: Copy + Eq + Hash + Debug> Pairing<T> {
    fn new() -> Self {
        Self { forth: HashMap::new(), back: HashMap::new() }
    }

    /// Takes note that `a` of the first broker is `b` of the second.
    pub(super) fn pair(&mut self, a: T, b: T) -> Result<(), String> {
        let (known_b, known_a) = (*self.forth.entry(a).or_insert(b), *self.back.entry(b).or_insert(a));
        if known_b == b && known_a == a {
            Ok(())
        } else {
            Err(format!("{a:?} and {b:?} are not the same: before, they were {known_b:?} and {known_a:?}"))
        }
    }
}

/// The pairings of everything that brokers number or draw by themselves.
pub(super) struct Names {
    pub(super) messages: Pairing<MessageId>,
    pub(super) numbers: Pairing<QueueNumber>,
    queues: Pairing<QueueId>,
    consumers: Pairing<ConsumerId>,
    subscriptions: Pairing<SubscriptionId>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            messages: Pairing::new(),
            numbers: Pairing::new(),
            queues: Pairing::new(),
            consumers: Pairing::new(),
            subscriptions: Pairing::new(),
        }
    }

    /// Compares two queues in everything but their names for things, which are paired.
    pub(super) fn same_queue(&mut self, a: &Queue, b: &Queue) -> Result<(), String> {
        self.numbers.pair(a.number, b.number)?;
        self.queues.pair(a.id, b.id)?;
        if let (Some(a), Some(b)) = (&a.consumer, &b.consumer) {
            self.same_consumer(a, b)?;
        }
        let renamed = Queue { number: a.number, id: a.id, consumer: a.consumer.clone(), ..b.clone() };
        same("queue", a, &renamed)?;
        same("whether there is a consumer", &a.consumer.is_some(), &b.consumer.is_some())
    }

    pub(super) fn same_consumer(&mut self, a: &Consumer, b: &Consumer) -> Result<(), String> {
        self.consumers.pair(a.id, b.id)?;
        let mut renamed = Consumer { id: a.id, ..b.clone() };
        if let (Some(a), Some(b)) = (&a.dead_letter_queue, &mut renamed.dead_letter_queue) {
            self.queues.pair(a.queue, b.queue)?;
            b.queue = a.queue;
        }
        same("consumer", a, &renamed)
    }

    pub(super) fn same_subscription(&mut self, a: &Subscription, b: &Subscription) -> Result<(), String> {
        self.subscriptions.pair(a.id, b.id)?;
        self.queues.pair(a.destination, b.destination)?;
        same("subscription", a, &Subscription { id: a.id, destination: a.destination, ..b.clone() })
    }
}

/// Compares two values.
pub(super) fn same<T: PartialEq + Debug>(what: &str, a: &T, b: &T) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{what} differs:\n    first:  {a:?}\n    second: {b:?}")) }
}
