//! A small HTTP client for commands that ask a running server: JSON in, the envelope's result out.

use core::time::Duration;
use std::io::ErrorKind;

use anyhow::{Context, anyhow, bail};
use kew_server::DEVELOPMENT_TOKEN;
use kew_wire::access::{AccountView, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::{Agent, Body, http::Response};

use crate::target::Target;

/// How long an administrative request may take in all.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks one server with one credential.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    origin: String,
    token: Secret,
    token_origin: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    success: bool,
    #[serde(default)]
    errors: Vec<Refusal>,
    result: Option<T>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u32,
    message: String,
}

impl Client {
    /// A client for the target.
    ///
    /// # Errors
    /// When the target names no usable server or credential.
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            origin: target.origin()?,
            token: target.token()?,
            token_origin: target.token_origin(),
        })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or answers otherwise than expected.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let request = self.agent.get(self.url(path)).header("authorization", self.authorization());
        self.read(request.call())?.context("the server's answer has no result")
    }

    /// Asks for something to be made.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let request = self.agent.post(self.url(path)).header("authorization", self.authorization());
        let text = serde_json::to_string(body).context("the request has no JSON form")?;
        let sent = request.header("content-type", "application/json").send(text);
        self.read(sent)?.context("the server's answer has no result")
    }

    /// Asks for something to be deleted.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        let request = self.agent.delete(self.url(path)).header("authorization", self.authorization());
        self.read::<serde_json::Value>(request.call()).map(drop)
    }

    /// The accounts that the credential may list, in the order of their creation.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn accounts(&self) -> anyhow::Result<Vec<AccountView>> {
        self.get("/kew/v1/accounts")
    }

    /// The account to use: the one given, else that of the environment, else the server's only one.
    ///
    /// # Errors
    /// As [`Client::get`], and when the server has none or several.
    pub(crate) fn account(&self, given: Option<&str>) -> anyhow::Result<String> {
        let named = given.map(str::to_owned).or_else(|| std::env::var("CLOUDFLARE_ACCOUNT_ID").ok());
        if let Some(account) = named.filter(|account| !account.is_empty()) {
            return Ok(account);
        }
        let accounts = self.accounts().context("cannot look for the account, which --account would name")?;
        match <[AccountView; 1]>::try_from(accounts) {
            Ok([only]) => Ok(only.id),
            Err(accounts) if accounts.is_empty() => {
                bail!("the server has no account: make one by kew account create")
            }
            Err(accounts) => {
                let listed: Vec<_> =
                    accounts.iter().map(|account| format!("{} {:?}", account.id, account.name)).collect();
                bail!("the server has several accounts ({}): name one by --account", listed.join(", "))
            }
        }
    }

    /// Whether the credential is the one that everybody knows, which opens `kew dev` alone.
    pub(crate) fn is_of_development(&self) -> bool {
        self.token.reveal() == DEVELOPMENT_TOKEN
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Why there is no answer.
    fn unanswered(&self, error: &ureq::Error) -> anyhow::Error {
        match error {
            ureq::Error::Io(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
                anyhow!("no server answers on {}; is kew running?", self.origin)
            }
            _ => anyhow!("cannot ask {}: {error}", self.origin),
        }
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token.reveal())
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> anyhow::Result<Option<T>> {
        let mut answer = answer.map_err(|error| self.unanswered(&error))?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string().context("the server's answer broke off")?;
        let envelope: Envelope<serde_json::Value> = serde_json::from_str(&text)
            .with_context(|| format!("the server answered {status}, not in JSON"))?;
        if !envelope.success {
            match envelope.errors.first() {
                // The server tells nobody why it does not know a token; where the token came from is told here.
                Some(refusal) if status.as_u16() == 401 => {
                    bail!(
                        "{} [code: {}], with the token of {}",
                        refusal.message,
                        refusal.code,
                        self.token_origin
                    )
                }
                Some(refusal) => bail!("{} [code: {}]", refusal.message, refusal.code),
                None => bail!("the server refused with {status} and no reason"),
            }
        }
        let result = envelope.result.filter(|result| !result.is_null());
        result
            .map(|result| {
                serde_json::from_value(result).context("the server's answer is not in the known form")
            })
            .transpose()
    }
}
