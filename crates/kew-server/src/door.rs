//! Who is let in, and how often: one address may show so many wrong credentials, one token may ask so often.
//!
//! An address that has shown too many wrong credentials is not listened to, whatever it shows, until some time has
//! passed; only connections on which somebody is known already go on. So a program with a wrong token does not stop its
//! neighbours, and nobody can try credentials at will. Loopback and trusted proxies stand for many, and are not limited.

use core::time::Duration;
use std::net::IpAddr;

use hyper::HeaderMap;
use kew_model::{Broker, Clock, TokenId};
use kew_wire::{Fault, Kind};

use crate::caller::Caller;
use crate::credentials::Shown;
use crate::guest::Guest;
use crate::rate::Rate;
use crate::settings::Settings;

/// Judges who comes in.
#[derive(Debug)]
pub(crate) struct Door {
    failures: Option<Rate<IpAddr>>,
    requests: Option<Rate<TokenId>>,
}

/// Who asks to be let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knock<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) asker: Guest,
    /// Somebody is known on this connection, which comes from the asker itself.
    pub(crate) is_known: bool,
}

impl Door {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            failures: Rate::new(settings.auth_failures_per_minute_max, Duration::from_secs(60)),
            requests: Rate::new(settings.token_requests_per_second_max, Duration::from_secs(1)),
        }
    }

    /// Finds out who it is.
    pub(crate) fn open(
        &self,
        knock: Knock<'_>,
        settings: &Settings,
        broker: &dyn Broker,
        clock: &dyn Clock,
    ) -> Result<Caller, Fault> {
        let counted = self.failures.as_ref().zip(knock.asker.counted(&settings.trusted_proxies));
        if let Some((failures, address)) = &counted
            && !knock.is_known
            && failures.is_spent(address)
        {
            return Err(Fault::new(Kind::TooManyFailures));
        }
        let caller = Caller::identify(knock.headers, &settings.access, broker, clock).map_err(|fault| {
            let is_one_too_many = is_failure(&fault, knock.headers)
                && counted.as_ref().is_some_and(|(failures, address)| !failures.take(*address));
            if is_one_too_many { Fault::new(Kind::TooManyFailures) } else { fault }
        })?;
        match (&self.requests, caller.token()) {
            (Some(requests), Some(token)) if !requests.take(token) => {
                let most = settings.token_requests_per_second_max;
                let why = format!("this token may make {most} requests a second");
                Err(Fault::new(Kind::Throttled).detailed(why))
            }
            _ => Ok(caller),
        }
    }
}

/// Whether a request was refused for a credential that opens nothing. One without any has not tried.
pub(crate) fn is_failure(fault: &Fault, headers: &HeaderMap) -> bool {
    fault.kind() == Kind::Unauthenticated && matches!(Shown::read(headers), Ok(Some(_)))
}
