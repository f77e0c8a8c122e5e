//! Five kinds of owners, each with one object of every kind, and requests that name them.

use std::collections::BTreeMap;

use kew_model::{
    AccountId, Broker as _, NewQueue, Peek, Place, QueueId, QueuePattern, QueueSettings, Scope, TokenId,
};
use kew_server::{Naming, Object, RouteSummary};
use kew_testkit::FixedChance;
use kew_wire::access::Credential;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::kew::{ACCOUNT, Kew, QUEUE};

/// Whose an object is, as seen by a token for the queue `jobs`, or for queues whose names begin so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// The token's.
    Own,
    /// Another queue's of the account.
    Sibling,
    /// Another account's.
    Stranger,
    /// Nobody's any more.
    Gone,
    /// Nobody's ever.
    Never,
}

const THEIR_ACCOUNT: AccountId = AccountId([0xbb; 16]);
const OTHER: QueueId = QueueId([0x03; 16]);
const THEIRS: QueueId = QueueId([0x05; 16]);
const GONE: QueueId = QueueId([0x06; 16]);
const NEVER: [u8; 16] = [0xff; 16];
/// Of one's own, but for who has one queue only.
const SECOND: QueueId = QueueId([0x07; 16]);

const OWNERS: [(Whose, AccountId, QueueId, &str); 4] = [
    (Whose::Own, ACCOUNT, QUEUE, "jobs"),
    (Whose::Sibling, ACCOUNT, OTHER, "other"),
    (Whose::Stranger, THEIR_ACCOUNT, THEIRS, "theirs"),
    (Whose::Gone, ACCOUNT, GONE, "gone"),
];

pub(super) struct World {
    pub(super) kew: Kew,
    /// Ids, lease ids and refs.
    texts: BTreeMap<(&'static str, Whose), String>,
}

impl World {
    pub(super) async fn start() -> Self {
        let kew = Kew::start().await;
        let mut world = Self { kew, texts: BTreeMap::new() };
        world.kew.broker.create_account(Some(THEIR_ACCOUNT), "theirs".into()).await.unwrap();
        world.create_queue(ACCOUNT, SECOND, "jobs-second").await;
        for (whose, account, queue, name) in OWNERS {
            world.settle_in(whose, account, queue, name).await;
        }
        world.kew.broker.delete_queue(Place { account: ACCOUNT, queue: GONE }).await.unwrap();
        let gone = world.texts[&("token", Whose::Gone)].parse().unwrap();
        world.kew.broker.revoke_token(ACCOUNT, gone).await.unwrap();
        world.texts.insert(("account", Whose::Own), ACCOUNT.to_string());
        for kind in ["queue", "consumer", "subscription", "token"] {
            world.texts.insert((kind, Whose::Never), QueueId(NEVER).to_string());
        }
        world
    }

    async fn create_queue(&self, account: AccountId, id: QueueId, name: &str) {
        let (name, settings) = (name.parse().unwrap(), QueueSettings::default());
        let new = NewQueue { name, id: Some(id), jurisdiction: None, settings };
        self.kew.broker.create_queue(account, new).await.unwrap();
    }

    /// Makes an owner's queue with all that hangs on it.
    async fn settle_in(&mut self, whose: Whose, account: AccountId, queue: QueueId, name: &str) {
        let place = Place { account, queue };
        if whose != Whose::Own {
            self.create_queue(account, queue, name).await;
            self.kew.attach_at(place).await;
        }
        let (token, header) =
            self.mint(account, 2_000 + whose as u64, &[Scope::Admin], &QueuePattern::All).await;
        let root = format!("/client/v4/accounts/{account}");
        let path = format!("{root}/queues/{queue}");
        let post = async |path: String, body: Value| {
            self.kew.call_as(&header, "POST", &path, &body.to_string()).await.expect(200)
        };
        post(format!("{path}/messages/batch"), json!({"messages": [{"body": 1}, {"body": 2}]})).await;
        let pulled = post(format!("{path}/messages/pull"), json!({"batch_size": 1})).await;
        let peeked = post(format!("{path}/messages/peek"), json!({"batch_size": 1})).await;
        let subscriptions = format!("{root}/event_subscriptions/subscriptions");
        let made = post(subscriptions, subscription(name, queue)).await;
        let consumer = self.kew.broker.queue(place).unwrap().consumer.as_ref().unwrap().id.to_string();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.texts.extend([
            (("queue", whose), queue.to_string()),
            (("consumer", whose), consumer),
            (("token", whose), token.to_string()),
            (("lease", whose), text(&pulled["messages"][0]["lease_id"])),
            (("message", whose), text(&peeked["messages"][0]["ref"])),
            (("subscription", whose), text(&made["id"])),
        ]);
    }

    async fn mint(
        &self,
        account: AccountId,
        seed: u64,
        scopes: &[Scope],
        queues: &QueuePattern,
    ) -> (TokenId, String) {
        let minted = Credential::mint(&FixedChance::new(seed));
        let header = format!("authorization: Bearer {}", minted.secret.reveal());
        if self.kew.broker.token(minted.id).is_none() {
            let new = kew_model::NewToken {
                id: minted.id,
                name: String::new(),
                hash: minted.hash,
                email: None,
                scopes: scopes.iter().copied().collect(),
                queues: queues.clone(),
                expires_on: None,
            };
            self.kew.broker.create_token(account, new).await.unwrap();
        }
        (minted.id, header)
    }

    /// The header line of a token of [`ACCOUNT`]; the same for the same rights.
    pub(super) async fn token(&self, scopes: &[Scope], queues: &QueuePattern) -> String {
        let scopes_seed = scopes.iter().fold(0, |seed, scope| seed * 10 + 1 + *scope as u64);
        let pattern_seed = match queues {
            QueuePattern::All => 0,
            QueuePattern::Exact(_) => 1,
            QueuePattern::Prefix(_) => 2,
        };
        self.mint(ACCOUNT, 3_000 + scopes_seed * 3 + pattern_seed, scopes, queues).await.1
    }

    /// Takes away what stands in the way of a request that makes something.
    pub(super) async fn make_room_for(&self, route: &RouteSummary) {
        if route.id == "queues-create-consumer" {
            let place = Place { account: ACCOUNT, queue: QUEUE };
            let consumer = self.kew.broker.queue(place).unwrap().consumer.as_ref().unwrap().id;
            self.kew.broker.delete_consumer(place, consumer).await.unwrap();
        }
    }

    /// Makes a request in which all is one's own but the object at one place; `None` when there is no such object.
    pub(super) async fn ask(
        &self,
        route: &RouteSummary,
        naming: Naming,
        whose: Whose,
        token: &str,
    ) -> Option<Answer> {
        let text = self.text(naming, whose)?;
        let mut path = route.path.replace("{account}", &ACCOUNT.to_string());
        let mut body = body_of(route);
        if let Some(pointer) = naming.place.strip_prefix('/') {
            put(&mut body, pointer, &text);
        } else if let Some(name) = naming.place.strip_prefix('?') {
            path = format!("{path}?{name}={text}");
        } else {
            path = path.replace(naming.place, &text);
        }
        for own in route.names.iter().filter(|naming| naming.place.starts_with('{')) {
            path = path.replace(own.place, &self.text(*own, Whose::Own)?);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Some(self.kew.call_as(token, route.method, &path, &body).await)
    }

    /// What a request writes to name an object.
    fn text(&self, naming: Naming, whose: Whose) -> Option<String> {
        let kind = match naming.object {
            Object::Queue => "queue",
            Object::Consumer => "consumer",
            Object::Subscription => "subscription",
            Object::Lease => "lease",
            Object::Message => "message",
            Object::Account => "account",
            Object::Token => "token",
            Object::QueueName | Object::QueueIdOrName => return Some(name_of(naming, whose).to_owned()),
        };
        self.texts.get(&(kind, whose)).cloned()
    }

    /// An answer without what it repeats of the request.
    pub(super) fn masked(&self, naming: Naming, whose: Whose, body: &str) -> String {
        self.text(naming, whose).map_or_else(|| body.to_owned(), |text| body.replace(&text, "…"))
    }

    /// All that is there, but for the tokens that tests make for themselves.
    pub(super) async fn snapshot(&self) -> String {
        let mut all = self.snapshot_of_strangers().await;
        all.push_str(&self.queue_as_text(Place { account: ACCOUNT, queue: QUEUE }).await);
        all.push_str(&self.queue_as_text(Place { account: ACCOUNT, queue: SECOND }).await);
        let broker = &self.kew.broker;
        all.push_str(&format!("{:?}{:?}", broker.queues(ACCOUNT), broker.subscriptions(ACCOUNT)));
        all
    }

    /// All that is another account's.
    pub(super) async fn snapshot_of_strangers(&self) -> String {
        let broker = &self.kew.broker;
        let queue = self.queue_as_text(Place { account: THEIR_ACCOUNT, queue: THEIRS }).await;
        let (queues, subscriptions) = (broker.queues(THEIR_ACCOUNT), broker.subscriptions(THEIR_ACCOUNT));
        format!("{queue}{queues:?}{subscriptions:?}{:?}", broker.tokens(THEIR_ACCOUNT))
    }

    async fn queue_as_text(&self, place: Place) -> String {
        let peeked = self.kew.broker.peek(place, Peek::default()).await.unwrap();
        format!("{:?}{:?}", peeked.messages, self.kew.broker.backlog(place).await.unwrap())
    }
}

/// A name that is the token's to give or to find, or is not.
fn name_of(naming: Naming, whose: Whose) -> &'static str {
    match whose {
        Whose::Own if naming.place == "?name" => "jobs",
        Whose::Own if naming.place == "/destination" => "jobs-second",
        Whose::Own => "jobs-new",
        Whose::Sibling => "other",
        Whose::Stranger => "theirs",
        Whose::Gone => "gone",
        Whose::Never => "never-was",
    }
}

fn subscription(worker: &str, queue: QueueId) -> Value {
    json!({
        "name": "builds", "events": ["build.started"], "destination": {"queue_id": queue.to_string()},
        "source": {"type": "workersBuilds.worker", "worker_name": worker},
    })
}

/// A body that is all one's own; null for none.
fn body_of(route: &RouteSummary) -> Value {
    if !matches!(route.method, "POST" | "PUT" | "PATCH") {
        return Value::Null;
    }
    match route.id {
        "queues-push-message" => json!({"body": 1}),
        "queues-push-messages" => json!({"messages": [{"body": 1}]}),
        "queues-extend-messages" => json!({"extend": []}),
        "queues-purge-messages" => json!({"refs": []}),
        "queues-create" => json!({"queue_name": "jobs-new"}),
        "queues-create-consumer" | "queues-update-consumer" => json!({"type": "http_pull"}),
        "kew-redrive-messages" => json!({"destination": "jobs-second"}),
        "kew-create-token" => json!({"scopes": ["push"]}),
        "subscriptions-create" => subscription("another", QUEUE),
        _ => json!({}),
    }
}

/// Puts a text at a pointer, making what is missing on the way.
fn put(body: &mut Value, pointer: &str, text: &str) {
    let mut at = body;
    for part in pointer.split('/') {
        if part == "*" {
            if !at.is_array() || at.as_array().is_some_and(Vec::is_empty) {
                *at = json!([null]);
            }
            at = &mut at[0];
        } else {
            at = &mut at[part];
        }
    }
    *at = text.into();
}
