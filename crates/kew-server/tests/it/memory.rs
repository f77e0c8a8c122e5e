//! A server over connections in memory, for tests under paused time: nothing waits for a socket, so time passes only
//! when everybody waits for it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use kew_model::Broker;
use kew_server::{Access, DEVELOPMENT_TOKEN, Listener, Readiness, Settings};
use kew_testkit::{FixedChance, ManualClock, Oracle};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::faulty::{Faulty, Push};
use crate::kew::{ACCOUNT, QUEUE, create_queue, server_of};

/// The header line of the only token.
pub(crate) const DEVELOPER: &str = "authorization: Bearer kew_dev_token-for-this-machine-only_0000";

/// Connections as they are handed in.
pub(crate) struct Handed(pub(crate) mpsc::Receiver<(DuplexStream, Option<IpAddr>)>);

impl Listener for Handed {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Option<IpAddr>)> {
        self.0.recv().await.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

/// A server with one queue `jobs`, whose pushes do as they are told.
pub(crate) struct InMemory {
    hand_in: mpsc::Sender<(DuplexStream, Option<IpAddr>)>,
    pub(crate) broker: Arc<Faulty>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) readiness: Readiness,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) running: JoinHandle<()>,
}

impl InMemory {
    pub(crate) async fn start(push: Option<Push>, change: impl FnOnce(&mut Settings)) -> Self {
        assert!(DEVELOPER.ends_with(DEVELOPMENT_TOKEN));
        let clock = Arc::new(ManualClock::default());
        let chance = Arc::new(FixedChance::new(7));
        let oracle = Arc::new(Oracle::new(clock.clone(), chance.clone()));
        oracle.create_account(Some(ACCOUNT), "test".into()).await.unwrap();
        create_queue(oracle.as_ref(), "jobs", Some(QUEUE)).await;
        let broker = Arc::new(Faulty::new(oracle, push.unwrap_or(Push::Through)));
        let access = Access::Development { token: DEVELOPMENT_TOKEN.into(), account: ACCOUNT };
        let mut settings = Settings { access, ..Settings::default() };
        change(&mut settings);
        let server = server_of(broker.clone(), clock.clone(), chance, settings);
        let readiness = server.readiness();
        let (hand_in, handed) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(Handed(handed), async move {
            let _ = stopped.await;
        }));
        Self { hand_in, broker, clock, readiness, stop: Some(stop), running }
    }

    /// A connection with room for this many bytes under way.
    pub(crate) async fn connect(&self, room_bytes: usize) -> Client<DuplexStream> {
        Client::new(self.stream(room_bytes, None).await)
    }

    /// A connection that comes from an address.
    pub(crate) async fn connect_from(&self, address: &str) -> Client<DuplexStream> {
        Client::new(self.stream(65_536, Some(address.parse().unwrap())).await)
    }

    /// The client's end of a connection.
    pub(crate) async fn stream(&self, room_bytes: usize, address: Option<IpAddr>) -> DuplexStream {
        let (ours, theirs) = duplex(room_bytes);
        self.hand_in.send((theirs, address)).await.unwrap();
        ours
    }
}
