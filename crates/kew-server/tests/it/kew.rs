//! A whole server for a test: the oracle behind it, a clock that stands still, and a real socket in front.

use std::net::SocketAddr;
use std::sync::Arc;

use kew_model::{
    AccountId, Broker, Chance, Clock, ConsumerKind, NewConsumer, NewQueue, NewToken, Place, PullSettings,
    QueueId, QueuePattern, QueueSettings, Scope,
};
use kew_server::{Server, Settings};
use kew_testkit::{FixedChance, ManualClock, Oracle};
use kew_wire::access::Credential;
use kew_wire::lease_id::KeyRing;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};

pub(crate) const ACCOUNT: AccountId = AccountId([0xaa; 16]);
pub(crate) const QUEUE: QueueId = QueueId([0x02; 16]);
/// The path of [`ACCOUNT`]'s queues.
pub(crate) const QUEUES: &str = "/client/v4/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/queues";
/// The path of [`QUEUE`].
pub(crate) const JOBS: &str =
    "/client/v4/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/queues/02020202020202020202020202020202";
pub(crate) const PLACE: Place = Place { account: ACCOUNT, queue: QUEUE };

/// A server that runs, with one account, one queue `jobs` with a pull consumer, and an admin token.
pub(crate) struct Kew {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) broker: Arc<Oracle>,
    /// `authorization: Bearer …` of the admin token.
    pub(crate) admin: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) running: JoinHandle<()>,
}

impl Kew {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(ManualClock::default());
        let chance = Arc::new(FixedChance::new(7));
        let broker = Arc::new(Oracle::new(clock.clone(), chance.clone()));
        let server = server_of(broker.clone(), clock.clone(), chance.clone(), settings);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(listener, async move {
            let _ = stopped.await;
        }));
        broker.create_account(Some(ACCOUNT), "test".into()).await.unwrap();
        create_queue(broker.as_ref(), "jobs", Some(QUEUE)).await;
        let mut kew = Self { address, clock, broker, admin: String::new(), stop: Some(stop), running };
        kew.attach(QUEUE, PullSettings::default(), None).await;
        kew.admin = kew.token(&[Scope::Admin], QueuePattern::All).await;
        kew
    }

    /// Attaches a pull consumer.
    pub(crate) async fn attach(&self, queue: QueueId, settings: PullSettings, dead: Option<&str>) {
        let dead_letter_queue = dead.map(|name| name.parse().unwrap());
        let consumer = NewConsumer { kind: ConsumerKind::HttpPull(settings), dead_letter_queue };
        self.broker.create_consumer(Place { account: ACCOUNT, queue }, consumer).await.unwrap();
    }

    /// Attaches a pull consumer with defaults to a queue of any account.
    pub(crate) async fn attach_at(&self, place: Place) {
        let kind = ConsumerKind::HttpPull(PullSettings::default());
        let consumer = NewConsumer { kind, dead_letter_queue: None };
        self.broker.create_consumer(place, consumer).await.unwrap();
    }

    /// Makes a token of [`ACCOUNT`] and gives its header line.
    pub(crate) async fn token(&self, scopes: &[Scope], queues: QueuePattern) -> String {
        self.token_that(scopes, queues, |_| {}).await.1
    }

    /// Makes a token with changes of one's own; gives its id and its header line.
    pub(crate) async fn token_that(
        &self,
        scopes: &[Scope],
        queues: QueuePattern,
        change: impl FnOnce(&mut NewToken),
    ) -> (kew_model::TokenId, String) {
        let index = self.broker.tokens(ACCOUNT).len() as u64;
        let minted = Credential::mint(&FixedChance::new(1_000 + index));
        let mut new = NewToken {
            id: minted.id,
            name: String::new(),
            hash: minted.hash,
            email: None,
            scopes: scopes.iter().copied().collect(),
            queues,
            expires_on: None,
        };
        change(&mut new);
        self.broker.create_token(ACCOUNT, new).await.unwrap();
        (minted.id, format!("authorization: Bearer {}", minted.secret.reveal()))
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request with the admin token, on a connection of its own.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call_as(&self.admin, method, path, body).await
    }

    /// One request with any header lines, on a connection of its own.
    pub(crate) async fn call_as(&self, headers: &str, method: &str, path: &str, body: &str) -> Answer {
        self.connect().await.call(method, path, headers, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.call("POST", path, body).await
    }

    /// Pushes texts into `jobs`.
    pub(crate) async fn push_texts(&self, texts: &[&str]) {
        for text in texts {
            let body = format!(r#"{{"body":"{text}","content_type":"text"}}"#);
            self.post(&format!("{JOBS}/messages"), &body).await.expect(200);
        }
    }

    /// Pulls from `jobs`.
    pub(crate) async fn pull(&self, body: &str) -> serde_json::Value {
        self.post(&format!("{JOBS}/messages/pull"), body).await.expect(200)
    }
}

pub(crate) fn server_of(
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    settings: Settings,
) -> Server {
    let keys = KeyRing::generate(chance.as_ref());
    Server::new(broker, clock, chance, keys, settings)
}

pub(crate) async fn create_queue(broker: &dyn Broker, name: &str, id: Option<QueueId>) -> QueueId {
    let new =
        NewQueue { name: name.parse().unwrap(), id, jurisdiction: None, settings: QueueSettings::default() };
    broker.create_queue(ACCOUNT, new).await.unwrap().id
}
