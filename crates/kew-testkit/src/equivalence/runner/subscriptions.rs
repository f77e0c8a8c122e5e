//! The steps of event subscriptions.

use std::sync::Arc;

use kew_model::{EventSource, NewSubscription, Subscription, SubscriptionChange, SubscriptionId};

use super::super::pairing::same;
use super::super::script::Slot;
use super::{ACCOUNT, Pair};
use crate::subject::Subject;
use crate::wait::wait;

/// A subscription that never was.
const NONE: SubscriptionId = SubscriptionId([0xBB; 16]);

impl<A: Subject, B: Subject> Pair<A, B> {
    pub(super) fn subscribe(&mut self, resource: u8, to: Slot) -> Result<(), String> {
        let places = self.places[to];
        let new = |index: usize| NewSubscription {
            name: format!("of resource {resource}"),
            enabled: resource.is_multiple_of(2),
            source: EventSource {
                kind: "r2".to_owned(),
                selector: vec![("bucket".to_owned(), resource.to_string())],
            },
            events: vec!["object.created".to_owned()],
            destination: places[index].queue,
        };
        let made = self.both(|broker, index| wait(broker.create_subscription(ACCOUNT, new(index))))?;
        self.same_answers(made)
    }

    pub(super) fn resubscribe(
        &mut self,
        place: usize,
        to: Option<Slot>,
        enabled: Option<bool>,
    ) -> Result<(), String> {
        let ids = self.subscriptions_at(place);
        let places = to.map(|to| self.places[to]);
        let changed = self.both(|broker, index| {
            let destination = places.map(|places| places[index].queue);
            let change = SubscriptionChange { name: None, enabled, events: None, destination };
            wait(broker.update_subscription(ACCOUNT, ids[index], change))
        })?;
        self.same_answers(changed)
    }

    pub(super) fn unsubscribe(&mut self, place: usize) -> Result<(), String> {
        let ids = self.subscriptions_at(place);
        let deleted = self.both(|broker, index| wait(broker.delete_subscription(ACCOUNT, ids[index])))?;
        self.same_answers(deleted)
    }

    /// Compares the lists.
    pub(super) fn same_subscriptions(&mut self) -> Result<(), String> {
        let [a, b] = [0, 1].map(|index| self.brokers[index].subscriptions(ACCOUNT));
        same("how many subscriptions there are", &a.len(), &b.len())?;
        for (first, second) in a.iter().zip(&b) {
            self.names.same_subscription(first, second)?;
            let found = [(0, first), (1, second)]
                .map(|(index, one)| self.brokers[index].subscription(ACCOUNT, one.id).as_ref() == Some(one));
            same("whether a listed subscription is found", &found, &[true; 2])?;
        }
        Ok(())
    }

    fn same_answers(&mut self, answers: Option<[Arc<Subscription>; 2]>) -> Result<(), String> {
        answers.map_or(Ok(()), |[a, b]| self.names.same_subscription(&a, &b))
    }

    fn subscriptions_at(&self, place: usize) -> [SubscriptionId; 2] {
        [0, 1].map(|index| self.brokers[index].subscriptions(ACCOUNT).get(place).map_or(NONE, |it| it.id))
    }
}
