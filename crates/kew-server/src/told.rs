//! What is told of a request once its answer is made: to the log, and to whoever keeps who administered what.
//!
//! Neither shows queries, headers, bodies or secrets.

use hyper::http::request::Parts;
use kew_model::{Clock, TokenId};
use kew_wire::{Fault, Kind};
use tokio::time::Instant;

use crate::audit::{AuditEntry, shown};
use crate::door::is_failure;
use crate::guest::Guest;
use crate::request_id::RequestId;
use crate::routes::Matched;
use crate::settings::Settings;

/// What is known of a request, as far as it has come.
pub(crate) struct Told<'a> {
    id: RequestId,
    asker: Guest,
    is_logged: bool,
    /// When its head was there.
    pub(crate) started: Instant,
    /// The row of the table that it fits.
    pub(crate) matched: Option<Matched<'a>>,
    /// The token of who asks.
    pub(crate) token: Option<TokenId>,
    /// The id of what it made.
    pub(crate) made: Option<String>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Told<'_> {
    pub(crate) fn new(id: RequestId, asker: Guest, settings: &Settings) -> Self {
        let (is_logged, started) = (settings.log_requests, Instant::now());
        Self {
            id,
            asker,
            is_logged,
            started,
            matched: None,
            token: None,
            made: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Tells everybody who is to know.
    pub(crate) fn tell(self, head: &Parts, fault: Option<&Fault>, settings: &Settings, clock: &dyn Clock) {
        self.log(head, fault);
        if let Some(audit) = &settings.audit
            && let Some(matched) = self.matched
            && (matched.route.is_audited() && fault.is_none_or(|fault| !is_turned_away(fault))
                || fault.is_some_and(|fault| is_failure(fault, &head.headers)))
        {
            let (status, code) = result(fault);
            audit.note(&AuditEntry {
                at: clock.now(),
                request: self.id.to_string(),
                address: self.asker.address(),
                token: self.token,
                action: matched.route.operation.id(),
                account: shown(matched.account),
                queue: shown(matched.queue),
                item: shown(matched.item),
                made: self.made,
                status,
                code,
            });
        }
    }

    /// Writes the log: each request when asked for, failures of the server always.
    fn log(&self, head: &Parts, fault: Option<&Fault>) {
        let (status, code) = result(fault);
        let (id, address, method) = (self.id, self.asker, &head.method);
        // A path may hold what a terminal obeys.
        let path = head.uri.path().escape_default();
        // That it is about to stop is no failure.
        if let Some(fault) =
            fault.filter(|fault| fault.line().status >= 500 && fault.kind() != Kind::NotReady)
        {
            let cause = fault.cause().unwrap_or("");
            tracing::error!(request = %id, %address, %method, %path, status, code, error = fault.text(), cause, "a request failed");
        }
        if self.is_logged {
            let microseconds = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let (bytes_in, bytes_out) = (self.bytes_in, self.bytes_out);
            let token = self.token.map_or_else(|| "-".to_owned(), |token| token.to_string());
            tracing::info!(request = %id, %address, %token, %method, %path, status, code, bytes_in, bytes_out, microseconds, "request");
        }
    }
}

/// Writes the log of what never became a request.
pub(crate) fn no_request(id: RequestId, address: Guest, fault: &Fault, settings: &Settings) {
    if settings.log_requests {
        let (status, code) = result(Some(fault));
        tracing::info!(request = %id, %address, status, code, "no request");
    }
}

/// Whether a request was refused at the door. Of those only wrong credentials are told, whose number is bounded: else
/// strangers could fill the audit log until nothing else is left in it.
fn is_turned_away(fault: &Fault) -> bool {
    matches!(fault.kind(), Kind::Unauthenticated | Kind::TooManyFailures | Kind::Throttled)
}

/// Status and code of an answer; 200 and 0 for a success.
fn result(fault: Option<&Fault>) -> (u16, u32) {
    fault.map_or((200, 0), |fault| (fault.line().status, fault.line().code))
}
