//! Which server a command talks to, and with which credential: flags first, then the environment.
//!
//! The environment's names are Kew's own and those of Cloudflare's clients, so that `source .kew/dev.env` is enough
//! for all of them (clients-and-workers §1.1, §2); the ones that begin with `CF_` are wrangler's older names.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use kew_wire::access::Secret;
use ureq::tls::{self, PemItem, RootCerts, TlsConfig};

use crate::dev;
use crate::misuse::Misuse;

/// Variables that name the server, strongest first.
const URL_VARIABLES: [&str; 4] =
    ["KEW_URL", "CLOUDFLARE_BASE_URL", "CLOUDFLARE_API_BASE_URL", "CF_API_BASE_URL"];
/// Variables that hold the credential, strongest first.
const TOKEN_VARIABLES: [&str; 3] = ["KEW_TOKEN", "CLOUDFLARE_API_TOKEN", "CF_API_TOKEN"];
/// Variables that name the account, strongest first.
const ACCOUNT_VARIABLES: [&str; 2] = ["CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID"];
/// The variable that names the file of trusted certificates.
const CA_VARIABLE: &str = "KEW_CA_FILE";
/// The API's prefix, with which Cloudflare's clients write base URLs.
const API_PREFIX: &str = "/client/v4";

/// A server and a credential.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Server; else KEW_URL, CLOUDFLARE_BASE_URL or CLOUDFLARE_API_BASE_URL, else http://127.0.0.1:7790.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Token; else --token-file, KEW_TOKEN or CLOUDFLARE_API_TOKEN. Other users of the machine can see it here.
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file", value_parser = secret)]
    token: Option<Secret>,
    /// File with the certificates to trust for https://, in PEM form; else KEW_CA_FILE, else the public authorities.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File that holds the token, for example DIR/admin.token of kew serve.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Target {
    /// The server's URL without a path and without a final slash.
    ///
    /// # Errors
    /// When it is not `http://HOST[:PORT]`, or with `https`, with or without the API's prefix.
    pub(crate) fn origin(&self) -> anyhow::Result<String> {
        self.named_origin().map_err(Misuse::of)
    }

    fn named_origin(&self) -> anyhow::Result<String> {
        let url = self.url.clone().or_else(|| first_set(&URL_VARIABLES).map(|(_, url)| url));
        let url = url.unwrap_or_else(|| format!("http://{}", dev::LISTEN_DEFAULT));
        let origin = url.trim_end_matches('/');
        let origin = origin.strip_suffix(API_PREFIX).unwrap_or(origin);
        let authority =
            origin.strip_prefix("http://").or(origin.strip_prefix("https://")).unwrap_or_default();
        if let Some((_, path)) = authority.split_once('/').filter(|(host, _)| !host.is_empty()) {
            bail!("{url}: leave the path /{path} away; only {API_PREFIX} may stand behind http://HOST:PORT");
        }
        ensure!(
            !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']),
            "{url}: the server is named as http://HOST:PORT or https://HOST:PORT"
        );
        Ok(origin.to_owned())
    }

    /// How to encrypt what is sent to an `https` address.
    ///
    /// # Errors
    /// When the file of certificates cannot be read, or holds none.
    pub(crate) fn tls(&self) -> anyhow::Result<TlsConfig> {
        let Some(path) = self.ca_file() else { return Ok(TlsConfig::default()) };
        trusting(&path).map_err(Misuse::of)
    }

    /// The file of trusted certificates, if one is named.
    pub(crate) fn ca_file(&self) -> Option<PathBuf> {
        self.ca_file.clone().or_else(|| first_set(&[CA_VARIABLE]).map(|(_, path)| PathBuf::from(path)))
    }

    /// The server's address, for what speaks plain HTTP alone.
    ///
    /// # Errors
    /// As [`Target::origin`], when the address is one of `https`, and when the host cannot be resolved.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let origin = self.origin()?;
        let Some(authority) = origin.strip_prefix("http://") else {
            bail!(Misuse::new(format!(
                "{origin}: this command speaks plain HTTP only; use an http:// address on the server's machine"
            )));
        };
        resolve(authority, 80)
    }

    /// The server's address, and the name that it has to prove where its address is one of `https`.
    ///
    /// # Errors
    /// As [`Target::origin`], and when the host cannot be resolved.
    pub(crate) fn endpoint(&self) -> anyhow::Result<(SocketAddr, Option<String>)> {
        let origin = self.origin()?;
        let Some(authority) = origin.strip_prefix("https://") else { return Ok((self.address()?, None)) };
        let host = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let host = host.map_or(authority, |(host, _)| host).trim_start_matches('[').trim_end_matches(']');
        Ok((resolve(authority, 443)?, Some(host.to_owned())))
    }

    /// The credential.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read.
    pub(crate) fn token(&self) -> anyhow::Result<Secret> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        if let Some(path) = &self.token_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the token file {}", path.display()))
                .map_err(Misuse::of)?;
            return secret(text.trim()).map_err(|problem| {
                Misuse::new(format!("--token-file {}: {problem}", path.display())).into()
            });
        }
        let token = first_set(&TOKEN_VARIABLES).map(|(_, token)| Secret::new(token));
        let token = token.ok_or_else(|| {
            Misuse::new(
                "no credential: give --token-file (DIR/admin.token of kew serve) or set KEW_TOKEN; for kew dev, read its \
                 settings first: set -a; source DIR/dev.env; set +a",
            )
        })?;
        Ok(token)
    }

    /// Where the credential comes from: a flag, with its file, or a variable.
    pub(crate) fn token_origin(&self) -> String {
        match (&self.token, &self.token_file) {
            (Some(_), _) => "--token".to_owned(),
            (None, Some(path)) => format!("--token-file {}", path.display()),
            (None, None) => first_set(&TOKEN_VARIABLES).map_or("nowhere", |(name, _)| name).to_owned(),
        }
    }
}

/// The account that the environment names.
pub(crate) fn account() -> Option<String> {
    first_set(&ACCOUNT_VARIABLES).map(|(_, account)| account)
}

/// Trusts the certificates in a file and no others.
fn trusting(path: &Path) -> anyhow::Result<TlsConfig> {
    let text =
        std::fs::read(path).with_context(|| format!("cannot read the certificates in {}", path.display()))?;
    let certificates: Result<Vec<_>, _> = tls::parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect();
    let certificates = certificates.with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!certificates.is_empty(), "{}: there is no certificate in PEM form", path.display());
    Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(certificates))).build())
}

/// The address of `HOST[:PORT]`.
fn resolve(authority: &str, port_default: u16) -> anyhow::Result<SocketAddr> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port_default}") };
    let mut addresses = authority.to_socket_addrs().with_context(|| format!("cannot resolve {authority}"))?;
    addresses.next().with_context(|| format!("{authority} has no address"))
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.trim().is_empty() {
        return Err("a token must not be empty".to_owned());
    }
    Ok(Secret::new(text))
}

/// The first variable that holds something, and what it holds.
fn first_set(names: &[&'static str]) -> Option<(&'static str, String)> {
    let mut set = names.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    set.find(|(_, value)| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target { url: Some(url.to_owned()), token: None, ca_file: None, token_file: None }
    }

    #[test]
    fn a_url_may_carry_the_prefix_that_cloudflares_clients_need() {
        for url in ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/client/v4/"] {
            assert_eq!(target(url).origin().unwrap(), "http://127.0.0.1:1");
        }
        assert_eq!(target("http://127.0.0.1:1").address().unwrap().port(), 1);
        assert_eq!(target("http://127.0.0.1").address().unwrap().port(), 80);
    }

    #[test]
    fn an_encrypted_address_is_for_commands_that_can_encrypt() {
        assert_eq!(target("https://queue.example/client/v4").origin().unwrap(), "https://queue.example");
        assert!(target("https://127.0.0.1:1").address().is_err());
    }

    #[test]
    fn an_endpoint_has_a_name_to_prove_where_it_encrypts() {
        for (url, port, name) in [
            ("http://127.0.0.1:1", 1, None),
            ("https://127.0.0.1", 443, Some("127.0.0.1")),
            ("https://[::1]:7/client/v4", 7, Some("::1")),
        ] {
            let (address, proven) = target(url).endpoint().unwrap();
            assert_eq!((address.port(), proven.as_deref()), (port, name), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["ftp://a", "a:1", "https://", "http://", "http://a/b", "http://user@a"] {
            assert!(target(url).origin().is_err(), "{url}");
        }
    }
}
