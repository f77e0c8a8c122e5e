//! The settings of `kew serve`: defaults, then `kew.toml`, then `KEW_…` variables, then flags; the last one wins.
//!
//! One table ([`settings`]) names every setting; the keys of the file, the variables, the flags, their help, and the
//! listing of `--print-config` are all made from it. What is written is read as text first, with its origin, and then
//! becomes a typed [`Configuration`], so that an error can say where a bad value came from. An unknown key is an
//! error that names the nearest known one.

mod flags;
mod layers;
mod nearest;
mod settings;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kew_wire::messages::{BodyEncoding, JsonBodies};

pub(crate) use flags::Flags;
use layers::Layered;
pub(crate) use settings::{JSON_BODIES, PULL_JSON_ENCODINGS};

use crate::output;
use crate::tls::TlsFiles;

/// The variables of the environment that are settings of a server, sorted: for a command that does not go by them.
pub(crate) fn variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<_> = names.filter(|name| layers::is_setting(name)).collect();
    names.sort_unstable();
    names
}

/// What `kew serve` runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// The store's folder.
    pub(crate) data: PathBuf,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The certificate to encrypt with, and its key.
    pub(crate) tls: Option<TlsFiles>,
    /// Whether to listen on more than loopback without encryption.
    pub(crate) allow_plaintext: bool,
    /// Threads that serve requests; 0 takes half as many as there are processors.
    pub(crate) threads: usize,
    /// The most connections at a time.
    pub(crate) connections_max: usize,
    /// The most connections at a time from one address.
    pub(crate) connections_per_address_max: usize,
    /// Proxies that are believed for whom they speak.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// The most pulls that wait for messages at a time.
    pub(crate) waiters_max: usize,
    /// The most wrong credentials that an address may show in a minute.
    pub(crate) auth_failures_per_minute_max: u32,
    /// The most requests that a token may make in a second.
    pub(crate) token_requests_per_second_max: u32,
    /// How many queues have series of their own in `/metrics`.
    pub(crate) metrics_queues_max: usize,
    /// How long to serve on after the signal to stop, in seconds.
    pub(crate) drain_wait_seconds: u64,
    /// Where the audit log is kept.
    pub(crate) audit_log: AuditLog,
    /// Which JSON bodies are taken.
    pub(crate) json_bodies: JsonBodies,
    /// How JSON bodies are shown to pullers.
    pub(crate) pull_json_encoding: BodyEncoding,
    /// The form of log lines.
    pub(crate) log_format: LogFormat,
    /// The least important lines that are logged.
    pub(crate) log_level: tracing::Level,
    /// Whether each request is logged.
    pub(crate) log_requests: bool,
    /// Where backups go, if any may be made.
    pub(crate) backup_folder: Option<PathBuf>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the audit log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuditLog {
    /// Beside the store.
    InFolder,
    /// In this file.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl AuditLog {
    /// Its name in the store's folder.
    const NAME: &str = "audit.log";

    fn of(text: &str) -> Self {
        match text {
            "" => Self::InFolder,
            "off" => Self::Off,
            path => Self::File(PathBuf::from(path)),
        }
    }

    /// The file, if it is kept.
    pub(crate) fn path(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::InFolder => Some(folder.join(Self::NAME)),
            Self::File(path) => Some(path.clone()),
            Self::Off => None,
        }
    }
}

/// Settings as they were written, each with its origin.
#[derive(Debug)]
pub(crate) struct Written(Layered);

impl Written {
    /// Reads all layers.
    ///
    /// # Errors
    /// An unreadable file, unknown keys, or a value that is no value of its setting.
    pub(crate) fn read(flags: &Flags) -> anyhow::Result<Self> {
        let mut layered = Layered::defaults();
        layered.add_file(flags.file())?;
        layered.add_environment(std::env::vars_os())?;
        layered.add_flags(flags.values())?;
        Ok(Self(layered))
    }

    /// The listing of `--print-config`: each key, its value and its origin.
    pub(crate) fn listing(&self) -> String {
        let mut table = output::table(&["key", "value", "origin"]);
        for (setting, value) in self.0.iter() {
            table.add_row([setting.key, &value.text, &value.origin.to_string()]);
        }
        table.to_string()
    }

    /// The settings as they are meant.
    ///
    /// # Errors
    /// A value that is no value of its setting, with its origin.
    pub(crate) fn configuration(&self) -> anyhow::Result<Configuration> {
        let values = &self.0;
        Ok(Configuration {
            data: PathBuf::from(values.text("data")),
            listen: values.parse("listen")?,
            tls: tls_files(values)?,
            allow_plaintext: values.parse("allow_plaintext")?,
            threads: values.parse("threads")?,
            connections_max: values.parse("connections_max")?,
            connections_per_address_max: values.parse("connections_per_address_max")?,
            trusted_proxies: settings::addresses(values.text("trusted_proxies"))?,
            waiters_max: values.parse("waiters_max")?,
            auth_failures_per_minute_max: values.parse("auth_failures_per_minute_max")?,
            token_requests_per_second_max: values.parse("token_requests_per_second_max")?,
            metrics_queues_max: values.parse("metrics_queues_max")?,
            drain_wait_seconds: values.parse("drain_wait_seconds")?,
            audit_log: AuditLog::of(values.text("audit_log")),
            json_bodies: json_bodies(values.text("json_bodies")),
            pull_json_encoding: pull_json_encoding(values.text("pull_json_encoding")),
            log_format: if values.text("log_format") == "json" { LogFormat::Json } else { LogFormat::Text },
            log_level: values.parse("log_level")?,
            log_requests: values.parse("log_requests")?,
            backup_folder: Some(values.text("backup_folder"))
                .filter(|text| !text.is_empty())
                .map(PathBuf::from),
        })
    }
}

/// The files of the certificate, when they are named: both, or none.
fn tls_files(values: &Layered) -> anyhow::Result<Option<TlsFiles>> {
    let (certificate, key) = (values.text("tls_certificate"), values.text("tls_key"));
    match (certificate.is_empty(), key.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() })),
        (true, false) => bail!("tls_key ({}): needs tls_certificate, too", values.value("tls_key").origin),
        (false, true) => {
            bail!("tls_certificate ({}): needs tls_key, too", values.value("tls_certificate").origin)
        }
    }
}

/// What a word of [`JSON_BODIES`] means.
pub(crate) fn json_bodies(word: &str) -> JsonBodies {
    if word == "strict" { JsonBodies::Strict } else { JsonBodies::Any }
}

/// What a word of [`PULL_JSON_ENCODINGS`] means.
pub(crate) fn pull_json_encoding(word: &str) -> BodyEncoding {
    if word == "plain" { BodyEncoding::Plain } else { BodyEncoding::Base64 }
}

impl Layered {
    fn parse<T>(&self, key: &str) -> anyhow::Result<T>
    where
        T: core::str::FromStr<Err: core::error::Error + Send + Sync + 'static>,
    {
        let value = self.value(key);
        value.text.parse().with_context(|| format!("{key}: cannot read {:?} ({})", value.text, value.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_server() {
        let configuration = Written(Layered::defaults()).configuration().unwrap();
        let settings = kew_server::Settings::default();
        assert_eq!(configuration.connections_max, settings.connections_max);
        assert_eq!(configuration.connections_per_address_max, settings.connections_per_address_max);
        assert_eq!(configuration.trusted_proxies, settings.trusted_proxies);
        assert_eq!(configuration.auth_failures_per_minute_max, settings.auth_failures_per_minute_max);
        assert_eq!(configuration.token_requests_per_second_max, settings.token_requests_per_second_max);
        assert_eq!(configuration.metrics_queues_max, settings.metrics_queues_max);
        assert!(configuration.tls.is_none() && settings.tls.is_none());
        assert_eq!(configuration.waiters_max, settings.waiters_max);
        assert_eq!(configuration.json_bodies, settings.json_bodies);
        assert_eq!(configuration.pull_json_encoding, settings.pull_json_encoding);
        assert_eq!(configuration.log_requests, settings.log_requests);
    }

    #[test]
    fn the_defaults_are_valid() {
        let written = Written(Layered::defaults());
        let configuration = written.configuration().unwrap();
        assert!(configuration.listen.ip().is_loopback());
        assert_eq!(configuration.threads, 0);
        for line in written.listing().lines().skip(1) {
            assert!(line.trim_end().ends_with("default"), "{line}");
        }
    }
}
