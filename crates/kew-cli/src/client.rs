//! A small HTTP client for commands that ask a running server: JSON in, the envelope's result out.
//!
//! A refusal becomes one line with the server's own words and code; where this program has a command that helps, the line
//! says which.

use core::fmt;
use core::time::Duration;
use std::io::ErrorKind;

use anyhow::{Context, anyhow, bail};
use kew_server::DEVELOPMENT_TOKEN;
use kew_wire::access::{AccountView, MemberAccountView, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::typestate::WithBody;
use ureq::{Agent, Body, RequestBuilder, http::Response};

use crate::target::{self, Target};

/// How long an administrative request may take in all.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes: all queues that an account may have, and room to spare.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The header that names a push, and the one that says that it was carried out before.
const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";

/// What is said of a success that has nothing to show.
const NO_RESULT: &str = "the server's answer has no result";

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

/// A refusal because the credential does not reach so far, with its text.
#[derive(Debug)]
pub(crate) struct Forbidden(String);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Forbidden {}

/// Says what else would do, if it was the credential that did not reach so far.
pub(crate) fn if_forbidden(error: anyhow::Error, remedy: impl FnOnce() -> String) -> anyhow::Error {
    if error.is::<Forbidden>() { error.context(remedy()) } else { error }
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
            .tls_config(target.tls()?)
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
        self.read(self.answered(request.call())?)?.context(NO_RESULT)
    }

    /// Asks for something to be made or done.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.post_waiting(path, body, Duration::ZERO)
    }

    /// As [`Client::post`], of a server that is asked to wait for so long before it answers.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post_waiting<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        wait: Duration,
    ) -> anyhow::Result<T> {
        let request = self.agent.post(self.url(path)).config().timeout_global(Some(TIMEOUT + wait)).build();
        self.read(self.send(request, body)?)?.context(NO_RESULT)
    }

    /// Asks for something to be done once, whatever its number of tries, if it is given a key. Tells whether it had been
    /// done before.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> anyhow::Result<(T, bool)> {
        let mut request = self.agent.post(self.url(path));
        if let Some(key) = key {
            request = request.header(KEY, key);
        }
        let answer = self.send(request, body)?;
        let is_replayed = answer.headers().contains_key(REPLAYED);
        Ok((self.read(answer)?.context(NO_RESULT)?, is_replayed))
    }

    /// Asks for something to be replaced.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.read(self.send(self.agent.put(self.url(path)), body)?)?.context(NO_RESULT)
    }

    /// Asks for something to be changed.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.read(self.send(self.agent.patch(self.url(path)), body)?)?.context(NO_RESULT)
    }

    /// Asks for something to be deleted.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        let request = self.agent.delete(self.url(path)).header("authorization", self.authorization());
        self.read::<serde_json::Value>(self.answered(request.call())?).map(drop)
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
        if let Some(account) = named_account(given) {
            return Ok(account);
        }
        let remedy = || "cannot look for the account, which --account would name".to_owned();
        let accounts = self.accounts().map_err(|error| if_forbidden(error, remedy))?;
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

    /// The account to use: the one given, else that of the environment, else the credential's own.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn own_account(&self, given: Option<&str>) -> anyhow::Result<String> {
        if let Some(account) = named_account(given) {
            return Ok(account);
        }
        let own: Vec<MemberAccountView> = self.get("/client/v4/accounts")?;
        own.into_iter().next().map(|account| account.id).context("the credential opens no account")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn send(
        &self,
        request: RequestBuilder<WithBody>,
        body: &impl Serialize,
    ) -> anyhow::Result<Response<Body>> {
        let text = serde_json::to_string(body).context("the request has no JSON form")?;
        let request = request.header("authorization", self.authorization());
        self.answered(request.header("content-type", "application/json").send(text))
    }

    fn answered(&self, answer: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Response<Body>> {
        answer.map_err(|error| self.unanswered(&error))
    }

    /// Why there is no answer.
    fn unanswered(&self, error: &ureq::Error) -> anyhow::Error {
        match error {
            ureq::Error::Io(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
                anyhow!("no server answers on {}; is kew running?", self.origin)
            }
            _ => {
                let reason = error.to_string();
                anyhow!("cannot ask {}: {reason}{}", self.origin, advice_on(&reason))
            }
        }
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token.reveal())
    }

    fn read<T: DeserializeOwned>(&self, mut answer: Response<Body>) -> anyhow::Result<Option<T>> {
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.context("the server's answer broke off")?;
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
                Some(Refusal { code, message }) => {
                    let text = format!("{message} [code: {code}]{}", advice(*code));
                    return Err(if status.as_u16() == 403 { Forbidden(text).into() } else { anyhow!(text) });
                }
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

/// The account that a flag or the environment names.
fn named_account(given: Option<&str>) -> Option<String> {
    given.map(str::to_owned).or_else(target::account).filter(|account| !account.is_empty())
}

/// What helps after a refusal with this code: the command that ends what stands in the way, or what exactly was meant.
fn advice(code: u32) -> &'static str {
    match code {
        10_252 => "; kew queues resume QUEUE ends the pause",
        11_004 => "; kew consumers update QUEUE changes it",
        19_019 => "; it is the destination that is missing",
        19_001 => "; kew consumers add QUEUE attaches one",
        _ => "",
    }
}

/// What to do about a server that is not spoken to as it speaks.
fn advice_on(reason: &str) -> &'static str {
    let says = |what| reason.contains(what);
    if says("InvalidContentType") {
        "; the server speaks plain HTTP: name it with http://"
    } else if says("UnknownIssuer") || says("BadSignature") {
        "; if it is a certificate of your own, give it with --ca-file"
    } else if says("CaUsedAsEndEntity") {
        "; the server's certificate is one of an authority: make it with basicConstraints=CA:FALSE"
    } else {
        ""
    }
}
