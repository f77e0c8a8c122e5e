//! The table of settings.

use core::ops::RangeInclusive;
use std::net::IpAddr;

use anyhow::{anyhow, ensure};

use crate::dev;

/// A setting: one line of the table.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in `kew.toml`. In upper case after `KEW_` it is the variable, with hyphens after `--` the flag.
    pub(crate) key: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// Its value when nobody says.
    pub(crate) default: &'static str,
    /// What it means, for the help text.
    pub(crate) help: &'static str,
}

/// What a setting holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A path.
    Path,
    /// A path of a file, or nothing.
    File,
    /// A path of a folder, or nothing.
    Folder,
    /// IP addresses with commas between them, or nothing.
    Addresses,
    /// An IP address and a port.
    Address,
    /// `true` or `false`; as a flag it takes no value and means `true`.
    Switch,
    /// A whole number of this range.
    Count(RangeInclusive<u64>),
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Which JSON bodies are taken, the default first.
pub(crate) const JSON_BODIES: [&str; 2] = ["any", "strict"];
/// How JSON bodies are shown to pullers, the default first.
pub(crate) const PULL_JSON_ENCODINGS: [&str; 2] = ["base64", "plain"];

/// Every setting, in the order of help and listing.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting { key: "data", kind: Kind::Path, default: "./kew-data", help: "Folder of the store" },
    Setting {
        key: "listen",
        kind: Kind::Address,
        default: dev::LISTEN_DEFAULT,
        help: "Address to listen on; port 0 takes a free one",
    },
    Setting {
        key: "tls_certificate",
        kind: Kind::File,
        default: "",
        help: "Encrypt with the certificate chain in this PEM file, read again at SIGHUP",
    },
    Setting {
        key: "tls_key",
        kind: Kind::File,
        default: "",
        help: "The certificate's private key, a PEM file",
    },
    Setting {
        key: "allow_plaintext",
        kind: Kind::Switch,
        default: "false",
        help: "Listen on more than loopback although nothing is encrypted, for example behind a proxy that ends TLS",
    },
    Setting {
        key: "threads",
        kind: Kind::Count(0..=64),
        default: "0",
        help: "Threads that serve requests, 0-64; 0: half as many as there are processors; the store has its own",
    },
    Setting {
        key: "connections_max",
        kind: Kind::Count(1..=1_000_000),
        default: "4096",
        help: "The most connections at a time, 1-1000000; less if the process may open fewer files",
    },
    Setting {
        key: "connections_per_address_max",
        kind: Kind::Count(1..=1_000_000),
        default: "256",
        help: "The most connections at a time from one address, 1-1000000; loopback and trusted proxies are not counted",
    },
    Setting {
        key: "trusted_proxies",
        kind: Kind::Addresses,
        default: "",
        help: "Addresses of proxies whose header X-Forwarded-For is believed, with commas between them",
    },
    Setting {
        key: "waiters_max",
        kind: Kind::Count(0..=1_000_000),
        default: "10000",
        help: "The most pulls that wait for messages at a time, 0-1000000; each takes a connection, too",
    },
    Setting {
        key: "auth_failures_per_minute_max",
        kind: Kind::Count(0..=1_000_000),
        default: "10",
        help: "Wrong credentials that an address may show in a minute before it is answered 429, 0-1000000; 0: any number",
    },
    Setting {
        key: "token_requests_per_second_max",
        kind: Kind::Count(0..=1_000_000),
        default: "0",
        help: "Requests that a token may make in a second before it is answered 429, 0-1000000; 0: any number",
    },
    Setting {
        key: "metrics_queues_max",
        kind: Kind::Count(0..=1_000_000),
        default: "1000",
        help: "Queues that have series of their own in /metrics, 0-1000000; all are in the totals",
    },
    Setting {
        key: "drain_wait_seconds",
        kind: Kind::Count(0..=3_600),
        default: "0",
        help: "How long to serve on after SIGTERM while /readyz says no, so that balancers can turn away, 0-3600",
    },
    Setting {
        key: "audit_log",
        kind: Kind::File,
        default: "",
        help: "File that keeps who administered what, as JSON lines, or off; else audit.log in the store's folder",
    },
    Setting {
        key: "json_bodies",
        kind: Kind::Choice(&JSON_BODIES),
        default: "any",
        help: "JSON bodies to take: any value, or strict (objects and arrays only, as the vendor does)",
    },
    Setting {
        key: "pull_json_encoding",
        kind: Kind::Choice(&PULL_JSON_ENCODINGS),
        default: "base64",
        help: "How pulls show JSON bodies: base64 (as the vendor documents) or plain",
    },
    Setting {
        key: "log_format",
        kind: Kind::Choice(&["text", "json"]),
        default: "text",
        help: "Form of log lines: text or json",
    },
    Setting {
        key: "log_level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: "info",
        help: "The least important lines to log: error, warn, info, debug or trace",
    },
    Setting {
        key: "log_requests",
        kind: Kind::Switch,
        default: "false",
        help: "Log one line for each request",
    },
    Setting {
        key: "backup_folder",
        kind: Kind::Folder,
        default: "",
        help: "Folder on this machine for the copies that kew backup asks for; without one it is refused",
    },
];

impl Setting {
    /// The variable's name.
    pub(crate) fn variable(&self) -> String {
        format!("KEW_{}", self.key.to_ascii_uppercase())
    }

    /// The flag's name, without its hyphens.
    pub(crate) fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Checks a written value.
    ///
    /// # Errors
    /// What the setting holds, when the text is nothing such.
    pub(crate) fn check(&self, text: &str) -> anyhow::Result<()> {
        match &self.kind {
            Kind::File | Kind::Folder => {}
            Kind::Addresses => drop(addresses(text)?),
            Kind::Path => ensure!(!text.is_empty(), "must be a path, not an empty text"),
            Kind::Address => {
                let fits = text.parse::<std::net::SocketAddr>().is_ok();
                ensure!(fits, "{}", dev::not_an_address(text));
            }
            Kind::Switch => ensure!(matches!(text, "true" | "false"), "must be true or false, not {text:?}"),
            Kind::Count(range) => {
                let (least, most) = (range.start(), range.end());
                let fits = text.parse().is_ok_and(|count: u64| range.contains(&count));
                ensure!(fits, "must be a whole number from {least} to {most}, not {text:?}");
            }
            Kind::Choice(words) => {
                ensure!(words.contains(&text), "must be one of {}, not {text:?}", words.join(", "));
            }
        }
        Ok(())
    }
}

/// Reads IP addresses with commas between them.
pub(crate) fn addresses(text: &str) -> anyhow::Result<Vec<IpAddr>> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let read = |name: &str| {
        let address = name.parse::<IpAddr>().map(|address| address.to_canonical());
        address.map_err(|_| anyhow!("must be IP addresses with commas between them, and {name:?} is none"))
    };
    names.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_defaults_fit() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[..index].iter().all(|other| other.key != setting.key), "{}", setting.key);
            setting.check(setting.default).unwrap();
        }
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        let setting = |key| SETTINGS.iter().find(|setting| setting.key == key).unwrap();
        for (key, text) in [
            ("listen", "localhost"),
            ("allow_plaintext", "yes"),
            ("threads", "65"),
            ("threads", "1.5"),
            ("log_format", "xml"),
            ("data", ""),
            ("trusted_proxies", "10.0.0.1,proxy"),
            ("trusted_proxies", "10.0.0.0/8"),
        ] {
            assert!(setting(key).check(text).is_err(), "{key} {text}");
        }
    }
}
