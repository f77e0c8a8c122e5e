//! Event subscriptions: objects of the catalog (spec §2.12).

use std::sync::Arc;

use kew_model::{
    AccountId, Error, EventSource, NewSubscription, Place, QueueChange, QueueId, Subscription,
    SubscriptionChange, SubscriptionId,
};

use super::stage::{MINUTE, Stage, name, new_queue};
use crate::subject::Subject;
use crate::wait::wait;

/// A subscription to one bucket of objects.
pub(super) fn to_bucket(bucket: &str, destination: Place) -> NewSubscription {
    NewSubscription {
        name: format!("news of {bucket}"),
        enabled: true,
        source: EventSource {
            kind: "r2".to_owned(),
            selector: vec![("bucket".to_owned(), bucket.to_owned())],
        },
        events: vec!["object.created".to_owned(), "object.deleted".to_owned()],
        destination: destination.queue,
    }
}

impl<S: Subject> Stage<S> {
    fn subscribe(&self, bucket: &str, destination: Place) -> Arc<Subscription> {
        wait(self.broker().create_subscription(self.account, to_bucket(bucket, destination)))
            .expect("a new subscription")
    }

    fn names_of_subscriptions(&self) -> Vec<String> {
        self.broker().subscriptions(self.account).iter().map(|one| one.name.clone()).collect()
    }

    fn other_account(&self) -> AccountId {
        wait(self.broker().create_account(None, "other".to_owned())).expect("another account").id
    }
}

/// A subscription is shown as it was created.
pub fn a_subscription_is_shown_as_created<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let events = stage.queue("events");
    let new = NewSubscription { enabled: false, ..to_bucket("pictures", events) };
    let now = stage.now();

    let made = wait(stage.broker().create_subscription(stage.account, new.clone())).unwrap();

    let expected = Subscription {
        id: made.id,
        account: stage.account,
        name: new.name,
        enabled: false,
        source: new.source,
        events: new.events,
        destination: events.queue,
        created_on: now,
        modified_on: now,
    };
    assert_eq!(*made, expected);
    assert_eq!(stage.broker().subscription(stage.account, made.id), Some(made));
}

/// Subscriptions are listed in the order of their creation, each account's for itself.
pub fn subscriptions_are_listed_in_order<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let events = stage.queue("events");
    for bucket in ["c", "a", "b"] {
        stage.subscribe(bucket, events);
    }
    let other = stage.other_account();

    assert_eq!(stage.names_of_subscriptions(), ["news of c", "news of a", "news of b"]);
    assert_eq!(stage.broker().subscriptions(other), []);
    let first = stage.broker().subscriptions(stage.account)[0].id;
    assert_eq!(stage.broker().subscription(other, first), None);
}

/// An account listens to a resource once; another resource, or another account, is another matter.
pub fn a_resource_is_subscribed_to_once<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (events, second) = (stage.queue("events"), stage.queue("second"));
    stage.subscribe("a", events);

    let again = NewSubscription { name: "another name".to_owned(), ..to_bucket("a", second) };
    let refused = wait(stage.broker().create_subscription(stage.account, again));

    assert_eq!(refused.unwrap_err(), Error::SubscriptionExists);
    let of_kv = EventSource { kind: "kv".to_owned(), ..to_bucket("a", events).source };
    let of_kv = NewSubscription { source: of_kv, ..to_bucket("a", events) };
    wait(stage.broker().create_subscription(stage.account, of_kv)).unwrap();
    stage.subscribe("b", events);
    let other = stage.other_account();
    let theirs = wait(stage.broker().create_queue(other, new_queue("events"))).unwrap().id;
    let theirs = Place { account: other, queue: theirs };
    wait(stage.broker().create_subscription(other, to_bucket("a", theirs))).unwrap();
    assert_eq!(stage.broker().subscriptions(stage.account).len(), 3);
}

/// Events can only go to a queue of the account, and an account must be there.
pub fn a_subscription_needs_a_queue_of_the_account<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let other = stage.other_account();
    let theirs = wait(stage.broker().create_queue(other, new_queue("events"))).unwrap().id;
    let mine = stage.queue("events");

    for (account, queue, error) in [
        (AccountId([7; 16]), mine.queue, Error::AccountNotFound),
        (stage.account, QueueId([7; 16]), Error::DestinationNotFound),
        (stage.account, theirs, Error::DestinationNotFound),
    ] {
        let new = to_bucket("a", Place { account, queue });
        let refused = wait(stage.broker().create_subscription(account, new));
        assert_eq!(refused.unwrap_err(), error);
    }
    assert_eq!(stage.names_of_subscriptions(), [""; 0]);
}

/// A change leaves alone what it does not name, and is dated.
pub fn a_change_of_a_subscription_leaves_the_rest_alone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (events, second) = (stage.queue("events"), stage.queue("second"));
    let mut expected = Subscription::clone(&stage.subscribe("a", events));
    let id = expected.id;
    stage.advance(MINUTE);
    let change = |change| wait(stage.broker().update_subscription(stage.account, id, change)).unwrap();

    expected.modified_on = stage.now();
    expected.name = "renamed".to_owned();
    let renamed =
        change(SubscriptionChange { name: Some("renamed".to_owned()), ..SubscriptionChange::default() });
    assert_eq!(*renamed, expected);

    expected.enabled = false;
    expected.events = vec!["object.created".to_owned()];
    expected.destination = second.queue;
    let changed = change(SubscriptionChange {
        name: None,
        enabled: Some(false),
        events: Some(expected.events.clone()),
        destination: Some(second.queue),
    });
    assert_eq!(*changed, expected);
    assert_eq!(stage.broker().subscription(stage.account, id), Some(changed));
}

/// A change must name a subscription and a destination of the account; refused, it changes nothing.
pub fn a_change_of_a_subscription_may_be_refused<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let made = stage.subscribe("a", stage.queue("events"));
    let other = stage.other_account();
    let astray = SubscriptionChange {
        name: Some("renamed".to_owned()),
        destination: Some(QueueId([7; 16])),
        ..SubscriptionChange::default()
    };

    for (account, id, error) in [
        (stage.account, SubscriptionId([7; 16]), Error::SubscriptionNotFound),
        (other, made.id, Error::SubscriptionNotFound),
        (stage.account, made.id, Error::DestinationNotFound),
    ] {
        let refused = wait(stage.broker().update_subscription(account, id, astray.clone()));
        assert_eq!(refused.unwrap_err(), error);
    }
    assert_eq!(stage.broker().subscription(stage.account, made.id), Some(made));
}

/// A deleted subscription is shown a last time; then its resource is free.
pub fn a_deleted_subscription_is_gone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let events = stage.queue("events");
    let made = stage.subscribe("a", events);
    let other = stage.other_account();
    let delete = |account| wait(stage.broker().delete_subscription(account, made.id));
    assert_eq!(delete(other).unwrap_err(), Error::SubscriptionNotFound);

    assert_eq!(delete(stage.account), Ok(made.clone()));

    assert_eq!(delete(stage.account).unwrap_err(), Error::SubscriptionNotFound);
    assert_eq!(stage.broker().subscription(stage.account, made.id), None);
    assert_ne!(stage.subscribe("a", events).id, made.id);
}

/// The subscriptions that point at a deleted queue are gone with it, for good; a renamed queue keeps its own.
pub fn a_deleted_queue_takes_its_subscriptions_along<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (events, second) = (stage.queue("events"), stage.queue("second"));
    for (bucket, place) in [("a", events), ("b", second), ("c", events)] {
        stage.subscribe(bucket, place);
    }
    let rename = |place, text| {
        stage.change(place, QueueChange { name: Some(name(text)), ..QueueChange::default() });
    };
    rename(second, "renamed");
    rename(events, "renamed-too");

    wait(stage.broker().delete_queue(events)).unwrap();
    stage.queue("events");
    stage.let_settings_act();

    assert_eq!(stage.names_of_subscriptions(), ["news of b"]);
    stage.subscribe("a", second);
}

/// Subscriptions survive restarts, with their changes and in their order.
pub fn subscriptions_survive_a_restart<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let (events, doomed) = (stage.queue("events"), stage.queue("doomed"));
    for (bucket, place) in [("c", events), ("x", doomed), ("a", events), ("b", events)] {
        stage.subscribe(bucket, place);
    }
    let ids: Vec<_> = stage.broker().subscriptions(stage.account).iter().map(|one| one.id).collect();
    let off = SubscriptionChange { enabled: Some(false), ..SubscriptionChange::default() };
    wait(stage.broker().update_subscription(stage.account, ids[0], off)).unwrap();
    wait(stage.broker().delete_queue(doomed)).unwrap();
    wait(stage.broker().delete_subscription(stage.account, ids[2])).unwrap();
    let before = stage.broker().subscriptions(stage.account);

    let stage = stage.restart();

    assert_eq!(stage.names_of_subscriptions(), ["news of c", "news of b"]);
    assert_eq!(stage.broker().subscriptions(stage.account), before);
    assert!(!before[0].enabled);
}
