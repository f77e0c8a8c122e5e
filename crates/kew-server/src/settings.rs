//! What the house can be told, with defaults (store-study §7.3).

use core::fmt;
use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;

use kew_model::figures::Figure;
use kew_model::{AccountId, Backups};
use kew_wire::messages::{BodyEncoding, JsonBodies};

use crate::audit::Audit;
use crate::tls::Tls;

/// The token of `kew dev`: 40 characters, known to everybody, and good on one's own machine only. With
/// [`Access::Tokens`] it opens nothing and is refused by name.
pub const DEVELOPMENT_TOKEN: &str = "kew_dev_token-for-this-machine-only_0000";

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// What the broker's tokens allow.
    Tokens,
    /// Whoever shows the fixed token may do everything, in the one account; any account id in a path means it
    /// (design §8.21). For servers that only their own machine reaches.
    Development {
        /// The token, as Bearer or as key with any e-mail address.
        token: String,
        /// The account.
        account: AccountId,
    },
}

/// Something that has figures to show, for example the process.
pub trait FigureSource: fmt::Debug + Send + Sync + 'static {
    /// Reads them. May wait for a disk.
    fn figures(&self) -> Vec<Figure>;
}

/// The house's settings. Each duration is a bound, not a promise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may do what; by default what the broker's tokens allow.
    pub access: Access,
    /// The most connections at a time, at least 1; more wait unaccepted. Default 4,096.
    pub connections_max: usize,
    /// The most connections at a time from one address, at least 1; more are closed at once. Loopback and trusted proxies
    /// are not counted. Default 256.
    pub connections_per_address_max: usize,
    /// Proxies whose header `x-forwarded-for` is believed. Default none.
    pub trusted_proxies: Vec<IpAddr>,
    /// Encrypts every connection. Default not.
    pub tls: Option<Tls>,
    /// How long a TLS handshake may take. Default 5 s.
    pub handshake_timeout: Duration,
    /// How long a request's headers may take from their first byte. Default 5 s.
    pub header_timeout: Duration,
    /// How long a connection may stay without a request. Default 60 s.
    pub idle_timeout: Duration,
    /// How long a request's body may take, from the end of the headers. Default 10 s.
    pub body_timeout: Duration,
    /// How long a request may take, from the end of the headers. Default 30 s.
    pub request_timeout: Duration,
    /// How long the reader of an answer may take nothing of it. Default 30 s.
    pub write_timeout: Duration,
    /// The most bytes of bodies over 32 KiB held at a time, at least 1 MiB; more of them wait, unread but for their start. A
    /// body in chunks counts as 1 MiB until it is there. Default 16 MiB: one that grows takes twice its size for a moment.
    pub bodies_in_flight_bytes: usize,
    /// The most bytes of unfinished headers held at a time, of all connections that are new, have shown no token yet, or have been idle for
    /// [`Settings::header_timeout`]; 2 KiB of each count for nothing. Whoever needs more is refused. Default 8 MiB.
    pub heads_in_flight_bytes: usize,
    /// The most pulls that wait for messages at a time; more are refused. Each takes a connection, so this counts for
    /// something only below [`Settings::connections_max`]. Default 10,000.
    pub waiters_max: usize,
    /// How many wrong credentials an address may show in a minute; more are not looked at. 0: any number. Default 10.
    pub auth_failures_per_minute_max: u32,
    /// How many requests a token may make in a second. 0: any number. Default 0.
    pub token_requests_per_second_max: u32,
    /// Keeps who administered what. Default nobody.
    pub audit: Option<Arc<dyn Audit>>,
    /// How many queues have series of their own in `/metrics`; the others are in the totals. Default 1,000.
    pub metrics_queues_max: usize,
    /// Figures that `/metrics` shows beside those of the house and the broker. Default none.
    pub figures: Option<Arc<dyn FigureSource>>,
    /// How JSON bodies are shown to pullers. Default base64.
    pub pull_json_encoding: BodyEncoding,
    /// Which JSON bodies are taken. Default any.
    pub json_bodies: JsonBodies,
    /// Whether to write a line to the log for each request. Default no.
    pub log_requests: bool,
    /// Makes copies of the store when asked to. Default none.
    pub backups: Option<Arc<dyn Backups>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access: Access::Tokens,
            connections_max: 4_096,
            connections_per_address_max: 256,
            trusted_proxies: Vec::new(),
            tls: None,
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            bodies_in_flight_bytes: 16 * 1024 * 1024,
            heads_in_flight_bytes: 8 * 1024 * 1024,
            waiters_max: 10_000,
            auth_failures_per_minute_max: 10,
            token_requests_per_second_max: 0,
            audit: None,
            metrics_queues_max: 1_000,
            figures: None,
            pull_json_encoding: BodyEncoding::default(),
            json_bodies: JsonBodies::default(),
            log_requests: false,
            backups: None,
        }
    }
}
