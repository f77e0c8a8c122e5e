//! `kew dev`: a durable queue on this machine, for a laptop or a CI job, with one command.
//!
//! It is `kew serve` with three things decided: it listens on loopback only, a fixed token that everybody knows opens
//! everything, and any account id is an alias of one fixed account (design §8.21). None of the three is stored: the
//! token and the alias are a mode of this process. Queues named on the command line are made with a pull consumer;
//! on a repeat they are found again, with their ids and messages.
//!
//! Its settings are its flags alone, so that a repeat behaves the same in whatever shell.

mod notice;
mod queue_option;

use core::time::Duration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use kew_model::{
    AccountId, Broker, ConsumerKind, NewConsumer, NewQueue, Place, PullSettings, Queue, QueueSettings,
};
use kew_server::{Access, DEVELOPMENT_TOKEN, Settings};
use kew_wire::messages::{BodyEncoding, JsonBodies};

use crate::config::{self, LogFormat};
use crate::misuse::Misuse;
use crate::process::Process;
use crate::serving::{self, Service};
use crate::store::{Keeper, Store};
use crate::{logging, output, private_file};
use notice::Notice;
use queue_option::QueueOption;

/// Where `kew dev` listens when it is not told, and where commands look for a server.
pub(crate) const LISTEN_DEFAULT: &str = "127.0.0.1:7790";
/// The one account of `kew dev`: the same everywhere, so that it can be written into tests ("kew" over and over).
pub(crate) const ACCOUNT: AccountId = AccountId(*b"kewkewkewkewkewk");
/// The name of that account.
const ACCOUNT_NAME: &str = "dev";
/// The file with the settings that clients need.
const ENVIRONMENT: &str = "dev.env";
/// The file that keeps the folder, which often stands in somebody's repository, out of commits; and its text.
const GIT_IGNORE: &str = ".gitignore";
const EVERYTHING: &str = "*\n";

/// Serves a durable queue for development: loopback only, with a well-known token. Settings are these flags alone.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Queue to have, with a pull consumer; made if it is not there. NAME=ID fixes its id (32 hexadecimal digits). May be
    /// given several times.
    #[arg(long = "queue", value_name = "NAME[=ID]")]
    queues: Vec<QueueOption>,
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "./.kew")]
    data: PathBuf,
    /// Loopback address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = LISTEN_DEFAULT, value_parser = address)]
    listen: SocketAddr,
    /// Threads that serve requests, 0-64; 0: half as many as there are processors; the store has its own.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=64))]
    threads: u16,
    /// JSON bodies to take: any value, or strict (objects and arrays only, as the vendor does).
    #[arg(long, value_name = "WORD", default_value = config::JSON_BODIES[0],
        value_parser = PossibleValuesParser::new(config::JSON_BODIES).map(|word| config::json_bodies(&word)))]
    json_bodies: JsonBodies,
    /// How pulls show JSON bodies: base64 (as the vendor documents) or plain.
    #[arg(long, value_name = "WORD", default_value = config::PULL_JSON_ENCODINGS[0],
        value_parser = PossibleValuesParser::new(config::PULL_JSON_ENCODINGS)
            .map(|word| config::pull_json_encoding(&word)))]
    pull_json_encoding: BodyEncoding,
    /// Log one line for each request.
    #[arg(long)]
    log_requests: bool,
}

impl Dev {
    /// Serves until a signal.
    ///
    /// # Errors
    /// An address that is not loopback or in use, a store that cannot be opened or that fails, and queues that cannot
    /// be as asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(
            self.listen.ip().is_loopback(),
            Misuse::new(format!(
                "--listen: {} can be reached from other machines, and the token of kew dev is known to everybody: use \
                 127.0.0.1, or kew serve",
                self.listen
            ))
        );
        let ignored = config::variables();
        if !ignored.is_empty() {
            output::tell(&format!("kew: kew dev goes by its flags alone and ignores {}", ignored.join(", ")));
        }
        logging::start(
            LogFormat::Text,
            if self.log_requests { tracing::Level::INFO } else { tracing::Level::WARN },
        )?;
        serving::runtime(usize::from(self.threads))?.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<()> {
        let listener = serving::listen(self.listen).await?;
        let store = Store::open(&self.data, Keeper::Dev).await?;
        let git_ignore = self.data.join(GIT_IGNORE);
        if !git_ignore.exists() {
            private_file::replace(&git_ignore, EVERYTHING)?;
        }
        if store.broker.account(ACCOUNT).is_none() {
            let made = store.broker.create_account(Some(ACCOUNT), ACCOUNT_NAME.to_owned()).await;
            made.context("cannot make the account")?;
        }
        for option in &self.queues {
            have_queue(&store.broker, option).await.with_context(|| format!("--queue {option}"))?;
        }
        let queues = store.broker.queues(ACCOUNT);
        let shown = self.shown(&queues);
        let environment = self.data.join(ENVIRONMENT);
        let settings = Settings {
            access: Access::Development { token: DEVELOPMENT_TOKEN.to_owned(), account: ACCOUNT },
            json_bodies: self.json_bodies,
            pull_json_encoding: self.pull_json_encoding,
            log_requests: self.log_requests,
            figures: Some(Arc::new(Process::start())),
            ..Settings::default()
        };
        let address = listener.local_addr().context("the listener has no address")?;
        let notice = Notice { address, account: ACCOUNT, token: DEVELOPMENT_TOKEN, queues, shown };
        // Before the first answer, so that whoever has seen one finds the settings of this run.
        private_file::replace(&environment, &notice.environment())?;
        let announce = move |_| output::print(&notice.text(&environment));
        Service {
            listener,
            settings,
            tls: None,
            reload: None,
            store,
            drain_wait: Duration::ZERO,
            tells_stop: true,
        }
        .run(announce)
        .await
    }

    /// The queue of the round trip: the first named, else the oldest.
    fn shown(&self, queues: &[Arc<Queue>]) -> Option<Arc<Queue>> {
        let named = self.queues.first();
        let found = named.and_then(|option| queues.iter().find(|queue| queue.name == option.name));
        found.or(queues.first()).cloned()
    }
}

/// Reads where to listen; names have no place here, since one name can stand for several addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| not_an_address(text))
}

/// Says what an address looks like, to whoever has written something else.
pub(crate) fn not_an_address(text: &str) -> String {
    format!("must be an IP address and a port, for example {LISTEN_DEFAULT}, not {text:?}")
}

/// Finds or makes a queue, and gives it a pull consumer if it has no consumer.
async fn have_queue(broker: &dyn Broker, option: &QueueOption) -> anyhow::Result<()> {
    let queue = match broker.queue_named(ACCOUNT, option.name.as_str()) {
        Some(queue) => {
            if option.id.is_some_and(|id| id != queue.id) {
                bail!("the queue exists with the id {}", queue.id);
            }
            queue
        }
        None => {
            let taken = broker.queues(ACCOUNT).into_iter().find(|queue| option.id == Some(queue.id));
            if let Some(other) = taken {
                bail!("the id is that of queue {}", other.name);
            }
            let new = NewQueue {
                name: option.name.clone(),
                id: option.id,
                jurisdiction: None,
                settings: QueueSettings::default(),
            };
            broker.create_queue(ACCOUNT, new).await?
        }
    };
    if queue.consumer.is_none() {
        let pull = ConsumerKind::HttpPull(PullSettings::default());
        let place = Place { account: ACCOUNT, queue: queue.id };
        broker.create_consumer(place, NewConsumer { kind: pull, dead_letter_queue: None }).await?;
    }
    Ok(())
}
