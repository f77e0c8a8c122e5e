//! A store's folder and its server's address, which outlive every process that serves them.
//!
//! There are five queues. `work` gives a message three deliveries (`max_retries` 2) and then moves it to `dead`. `once` gives a
//! message one delivery and then moves it to `failed`, from where it is sent back; `purged` is purged. The consumers of `dead`,
//! `failed` and `purged` may fail a hundred times, so that nothing is ever dropped for want of attempts.

use core::net::{Ipv4Addr, SocketAddr};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use kew_testkit::history::{History, QueueRules};
use rand::RngExt;

use crate::binary;
use crate::connection::Connection;
use crate::kew::Kew;

/// Deliveries that may fail before a message of `work` becomes a dead letter, without the first.
const MAX_RETRIES: u16 = 2;
/// The same of queues that drop nothing: the most that the API allows.
const MAX_RETRIES_DEAD: u16 = 100;
/// Any account is as good as another to `kew dev`.
const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
/// Ports to choose from: below those that systems give to outgoing connections, so that none takes ours between two
/// servers.
const PORTS: core::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const PORT_TRIES: u32 = 100;

/// The ids of the queues.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    /// Of `work`.
    pub work: String,
    /// Of `dead`.
    pub dead: String,
    /// Of `once`.
    pub once: String,
    /// Of `failed`.
    pub failed: String,
    /// Of `purged`.
    pub purged: String,
}

/// Where a server lives.
#[derive(Debug, Clone)]
pub struct Site {
    /// The program.
    program: PathBuf,
    folder: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// What opens everything there.
    pub token: String,
    /// Its queues.
    pub queues: Queues,
}

impl Site {
    /// Makes a store with its queues in an empty folder, and serves it.
    ///
    /// # Panics
    /// When the program cannot be built or started, or refuses a queue.
    pub fn found(folder: &Path) -> (Self, Kew) {
        let mut site = Self {
            program: binary::path(),
            folder: folder.to_owned(),
            address: free_address(),
            token: String::new(),
            queues: Queues::default(),
        };
        let kew = site.start();
        let environment =
            std::fs::read_to_string(site.data().join("dev.env")).expect("the settings of clients");
        let token = environment.lines().find_map(|line| line.strip_prefix("CLOUDFLARE_API_TOKEN="));
        site.token = token.expect("a token").to_owned();
        site.queues.dead = site.create_queue("dead", MAX_RETRIES_DEAD, None);
        site.queues.work = site.create_queue("work", MAX_RETRIES, Some("dead"));
        site.queues.failed = site.create_queue("failed", MAX_RETRIES_DEAD, None);
        site.queues.once = site.create_queue("once", 0, Some("failed"));
        site.queues.purged = site.create_queue("purged", MAX_RETRIES_DEAD, None);
        (site, kew)
    }

    fn create_queue(&self, name: &str, max_retries: u16, dead_letter_queue: Option<&str>) -> String {
        let mut connection = Connection::open(self.address).expect("a server that says it is ready");
        let queues = format!("/client/v4/accounts/{ACCOUNT}/queues");
        let mut post = |path: &str, body: &str| {
            let answer = connection.post(path, &self.token, body).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.body);
            answer.body
        };
        let created = post(&queues, &format!(r#"{{"queue_name":"{name}"}}"#));
        let id = created["result"]["queue_id"].as_str().expect("an id").to_owned();
        let dead = dead_letter_queue.unwrap_or_default();
        let settings = format!(r#"{{"max_retries":{max_retries}}}"#);
        let consumer =
            format!(r#"{{"type":"http_pull","settings":{settings},"dead_letter_queue":"{dead}"}}"#);
        post(&format!("{queues}/{id}/consumers"), &consumer);
        id
    }

    /// The store's folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// The path of a verb on a queue's messages: "" to push, "/batch", "/pull", "/ack".
    pub fn messages(&self, queue: &str, verb: &str) -> String {
        format!("/client/v4/accounts/{ACCOUNT}/queues/{queue}/messages{verb}")
    }

    /// The path of the call that sends a queue's dead letters back.
    pub fn redrive(&self, queue: &str) -> String {
        format!("/kew/v1/accounts/{ACCOUNT}/queues/{queue}/redrive")
    }

    /// The path of the call that deletes all of a queue's messages.
    pub fn purge(&self, queue: &str) -> String {
        format!("/client/v4/accounts/{ACCOUNT}/queues/{queue}/purge")
    }

    /// A history that knows how `work`, `dead` and `purged` deliver.
    pub fn history(&self) -> History {
        let mut history = History::new();
        let dead_letter_queue = Some(self.queues.dead.clone());
        history.describe_queue(&self.queues.work, QueueRules { max_retries: MAX_RETRIES, dead_letter_queue });
        let rules = QueueRules { max_retries: MAX_RETRIES_DEAD, dead_letter_queue: None };
        history.describe_queue(&self.queues.dead, rules.clone());
        history.describe_queue(&self.queues.purged, rules);
        history
    }

    /// Serves the store as it lies there, on the same port.
    ///
    /// # Panics
    /// When it does not come to serve.
    pub fn start(&self) -> Kew {
        self.start_as(Command::new(&self.program), false)
    }

    /// The same under a program that runs others, such as `strace`: a command to which ours is appended.
    ///
    /// # Panics
    /// When it does not come to serve.
    pub fn start_under(&self, mut watcher: Command) -> Kew {
        // The watcher must be the parent, or some systems do not let it watch; so the server has to tell its own id.
        watcher.args(["sh", "-c", r#"echo $$; exec "$@""#, "sh"]).arg(&self.program);
        self.start_as(watcher, true)
    }

    fn start_as(&self, mut command: Command, watched: bool) -> Kew {
        command.arg("dev").arg("--data").arg(self.data());
        command.arg("--listen").arg(self.address.to_string()).current_dir(&self.folder);
        Kew::start(command, &self.folder.join("kew.log"), watched)
    }
}

fn free_address() -> SocketAddr {
    let mut random = rand::rng();
    let tries = (0..PORT_TRIES).map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, random.random_range(PORTS))));
    let free = tries.into_iter().find(|address| TcpListener::bind(address).is_ok());
    free.expect("one of a hundred ports is free")
}
