//! What each route does: wire to model, the broker, model to wire.

mod admin;
mod backups;
mod consumers;
mod identity;
mod long_poll;
mod messages;
mod metrics;
mod queues;
mod redrive;
mod subscriptions;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::HeaderMap;
use kew_model::{Place, Queue};
use kew_wire::{Fault, Kind, NotFound, envelope};
use tokio::sync::SemaphorePermit;

use crate::caller::Caller;
use crate::connection::Watch;
use crate::document::DOCUMENT;
use crate::exposition;
use crate::house::House;
use crate::routes::{Matched, Operation, Right};

/// A request that is known, allowed and complete.
pub(crate) struct Call<'a> {
    pub(crate) house: &'a House,
    pub(crate) caller: Caller,
    pub(crate) matched: Matched<'a>,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) watch: &'a Watch,
    pub(crate) body: Bytes,
    /// The body's share of the room for all bodies.
    pub(crate) body_room: Option<SemaphorePermit<'a>>,
    /// The id of what was made, for the audit log.
    pub(crate) made: OnceLock<String>,
}

/// What a request is answered with when it was carried out.
pub(crate) struct Success {
    pub(crate) body: Vec<u8>,
    /// Whether an earlier request with the same idempotency key did what this one asks.
    pub(crate) is_repeated: bool,
    /// What the body is, when it is no JSON.
    pub(crate) content_type: Option<&'static str>,
}

impl From<Vec<u8>> for Success {
    fn from(body: Vec<u8>) -> Self {
        Self { body, is_repeated: false, content_type: None }
    }
}

/// What a path names, checked against the caller's rights.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
    /// The server.
    Server,
    /// The caller itself.
    Caller,
    /// An account.
    Account(kew_model::AccountId),
    /// A queue that the caller may know of, or one that is missing.
    Queue(Place),
}

impl Operation {
    /// Whether it is about messages, whose malformed queue ids have a code of their own (spec §2.4).
    fn is_about_messages(self) -> bool {
        let is_control = matches!(self, Self::GetMetrics | Self::Purge | Self::GetPurge);
        is_control || self.is_data() || matches!(self, Self::Pull | Self::Ack)
    }

    /// How it says that its queue is missing (spec §10 C19).
    fn not_found(self) -> NotFound {
        let is_purge = matches!(self, Self::Purge | Self::GetPurge);
        if is_purge || self.is_data() { NotFound::Data } else { NotFound::Control }
    }

    /// Whether it belongs to the calls about messages that came with a code of their own for a missing queue.
    fn is_data(self) -> bool {
        let is_preview = matches!(self, Self::Preview | Self::AckPreview);
        let is_look = matches!(self, Self::Peek | Self::Discard | Self::Extend);
        is_preview || is_look || matches!(self, Self::Push | Self::PushBatch)
    }
}

impl Call<'_> {
    fn operation(&self) -> Operation {
        self.matched.route.operation
    }

    /// The row for what the broker refused.
    fn refused(&self, error: kew_model::Error) -> Fault {
        Fault::of(error, self.operation().not_found())
    }

    /// The queue itself, for answers that show it.
    fn queue(&self, place: Place) -> Result<Arc<Queue>, Fault> {
        self.house.broker.queue(place).ok_or_else(|| Fault::no_queue(self.operation().not_found()))
    }

    /// Something was made.
    fn note_made(&self, id: &impl ToString) {
        // One request makes one thing.
        let _ = self.made.set(id.to_string());
    }

    /// Gives the body's bytes and room back.
    fn let_go_of_body(&mut self) {
        (self.body, self.body_room) = (Bytes::new(), None);
    }

    /// Whether the queue is there for the caller; for one that does not see all queues only.
    fn check_sight(&self, place: Place) -> Result<(), Fault> {
        if self.caller.sees_all() || self.caller.sees(&*self.queue(place)?) {
            return Ok(());
        }
        Err(Fault::no_queue(self.operation().not_found()))
    }

    /// Judges the caller once more, once all of the request is there.
    pub(crate) fn judge_again(&self, named: Named) -> Result<(), Fault> {
        match named {
            Named::Queue(place) => self.check_again(place),
            _ if self.caller.is_still_known(self.house.broker.as_ref(), self.house.clock.as_ref()) => Ok(()),
            _ => Err(Fault::new(Kind::Unauthenticated)),
        }
    }

    /// Judges the caller once more, who may have lost a right since the call began.
    fn check_again(&self, place: Place) -> Result<(), Fault> {
        if !self.caller.is_still_known(self.house.broker.as_ref(), self.house.clock.as_ref()) {
            return Err(Fault::new(Kind::Unauthenticated));
        }
        self.check_sight(place)
    }
}

/// What is the same for everybody, known or not: the OpenAPI document, and else that the server answers, or takes requests.
pub(crate) fn constant(operation: Operation, house: &House) -> Result<Success, Fault> {
    let status = |status: &[u8]| envelope::success(32, |out| out.extend_from_slice(status));
    Ok(Success::from(match operation {
        Operation::Describe => DOCUMENT.to_vec(),
        Operation::Ready if !house.is_ready() => return Err(Fault::new(Kind::NotReady)),
        Operation::Ready => status(br#"{"status":"ready"}"#),
        _ => status(br#"{"status":"ok"}"#),
    }))
}

/// Reads what the path names. A queue that the caller may not know of is as missing as one that never was.
pub(crate) fn place_of(call: &Call<'_>) -> Result<Named, Fault> {
    let operation = call.operation();
    match operation {
        Operation::Health | Operation::Ready | Operation::Expose | Operation::Describe => {
            return Ok(Named::Server);
        }
        Operation::ListAccounts | Operation::CreateAccount => {
            return Ok(Named::Server);
        }
        Operation::StartBackup | Operation::ShowBackup => {
            return Ok(Named::Server);
        }
        _ if call.matched.route.right == Right::Known && call.matched.account.is_empty() => {
            return Ok(Named::Caller);
        }
        Operation::ListTokens | Operation::CreateToken | Operation::RevokeToken => {
            return admin::account_of(call).map(Named::Account);
        }
        _ => {}
    }
    let account = call.caller.account(call.matched.account)?;
    if call.matched.queue.is_empty() {
        return Ok(Named::Account(account));
    }
    let Ok(queue) = call.matched.queue.parse() else {
        let fault = if operation.is_about_messages() {
            Fault::new(Kind::QueueIdMalformed)
        } else {
            Fault::no_queue(NotFound::Control)
        };
        return Err(fault.detailed(no_queue_id(call.matched.queue)));
    };
    let place = Place { account, queue };
    call.check_sight(place)?;
    Ok(Named::Queue(place))
}

/// What is said of a text that is no queue id.
fn no_queue_id(text: &str) -> String {
    let shown = visible(text);
    format!("\"{shown}\" is not a queue id (32 hexadecimal digits); is it a name? GET …/queues lists the ids")
}

/// Names what a path names and is not there, where the fault says no more than what kind of thing that is. It is the text of
/// the request and nothing else, so it tells nobody what there is.
pub(crate) fn naming(fault: Fault, matched: &Matched<'_>) -> Fault {
    let named = match fault.kind() {
        Kind::QueueIdUnknown | Kind::QueueNotFound => matched.queue,
        Kind::ConsumerNotFound | Kind::SubscriptionNotFound | Kind::TokenNotFound => matched.item,
        Kind::AccountNotFound => matched.account,
        _ => "",
    };
    if named.is_empty() || fault.text() != fault.line().text {
        return fault;
    }
    let text = format!("{}: {}", fault.text(), visible(named));
    fault.detailed(text)
}

/// The start of a text from a path. What is no visible ASCII could mislead whoever reads it on a terminal, and becomes a
/// question mark.
fn visible(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 100;
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS).map(visible).collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

/// Does what the request asks.
pub(crate) async fn carry_out(call: &mut Call<'_>, named: Named) -> Result<Success, Fault> {
    match (call.operation(), named) {
        (Operation::Push, Named::Queue(place)) => messages::push(call, place).await,
        (Operation::PushBatch, Named::Queue(place)) => messages::push_batch(call, place).await,
        (Operation::Expose, Named::Server) => {
            let content_type = Some(exposition::CONTENT_TYPE);
            metrics::expose(call).await.map(|body| Success { content_type, ..Success::from(body) })
        }
        (_, named) => once(call, named).await.map(Success::from),
    }
}

/// Does what the request asks, when it is none that could be repeated, and gives the answer's bytes.
async fn once(call: &mut Call<'_>, named: Named) -> Result<Vec<u8>, Fault> {
    match (call.operation(), named) {
        (Operation::Pull, Named::Queue(place)) => messages::pull(call, place).await,
        (Operation::Ack, Named::Queue(place)) => messages::ack(call, place).await,
        (Operation::Peek, Named::Queue(place)) => messages::peek(call, place).await,
        (Operation::Discard, Named::Queue(place)) => messages::discard(call, place).await,
        (Operation::Extend, Named::Queue(place)) => messages::extend(call, place).await,
        (Operation::Preview, Named::Queue(place)) => messages::preview(call, place).await,
        (Operation::AckPreview, Named::Queue(place)) => messages::ack_preview(call, place).await,
        (Operation::Redrive, Named::Queue(place)) => redrive::redrive(call, place).await,
        (Operation::ListQueues, Named::Account(account)) => queues::list(call, account),
        (Operation::CreateQueue, Named::Account(account)) => queues::create(call, account).await,
        (Operation::GetQueue, Named::Queue(place)) => queues::get(call, place),
        (Operation::ReplaceQueue, Named::Queue(place)) => queues::replace(call, place).await,
        (Operation::ChangeQueue, Named::Queue(place)) => queues::change(call, place).await,
        (Operation::DeleteQueue, Named::Queue(place)) => queues::delete(call, place).await,
        (Operation::GetMetrics, Named::Queue(place)) => queues::metrics(call, place).await,
        (Operation::Purge, Named::Queue(place)) => queues::purge(call, place).await,
        (Operation::GetPurge, Named::Queue(place)) => queues::get_purge(call, place),
        (Operation::ListConsumers, Named::Queue(place)) => consumers::list(call, place),
        (Operation::CreateConsumer, Named::Queue(place)) => consumers::create(call, place).await,
        (Operation::GetConsumer, Named::Queue(place)) => consumers::get(call, place),
        (Operation::ReplaceConsumer, Named::Queue(place)) => consumers::replace(call, place).await,
        (Operation::DeleteConsumer, Named::Queue(place)) => consumers::delete(call, place).await,
        (Operation::ListSubscriptions, Named::Account(account)) => subscriptions::list(call, account),
        (Operation::CreateSubscription, Named::Account(account)) => {
            subscriptions::create(call, account).await
        }
        (Operation::GetSubscription, Named::Account(account)) => subscriptions::get(call, account),
        (Operation::ChangeSubscription, Named::Account(account)) => {
            subscriptions::change(call, account).await
        }
        (Operation::DeleteSubscription, Named::Account(account)) => {
            subscriptions::delete(call, account).await
        }
        (Operation::VerifyToken, Named::Caller | Named::Account(_)) => Ok(identity::verify(call)),
        (Operation::GetUser, Named::Caller) => Ok(identity::user(call)),
        (Operation::ListMemberships, Named::Caller) => identity::memberships(call),
        (Operation::ListOwnAccounts, Named::Caller) => identity::accounts(call),
        (Operation::GetOwnAccount, Named::Account(_)) => identity::account(call),
        (Operation::ListAccounts, _) => Ok(admin::list_accounts(call)),
        (Operation::CreateAccount, _) => admin::create_account(call).await,
        (Operation::ListTokens, Named::Account(account)) => Ok(admin::list_tokens(call, account)),
        (Operation::CreateToken, Named::Account(account)) => admin::create_token(call, account).await,
        (Operation::RevokeToken, Named::Account(account)) => admin::revoke_token(call, account).await,
        (Operation::StartBackup, _) => backups::start(call),
        (Operation::ShowBackup, _) => backups::show(call),
        (operation, named) => {
            // A row of the table and what its path names always go together.
            Err(Fault::new(Kind::InternalError).caused_by(format!("{operation:?} of {named:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_queue_id_is_shown_cut_and_visible() {
        let said = |shown: &str| {
            format!(
                "\"{shown}\" is not a queue id (32 hexadecimal digits); is it a name? GET …/queues lists the ids"
            )
        };
        assert_eq!(no_queue_id("jobs"), said("jobs"));
        assert_eq!(no_queue_id("a\u{1b}[2J\r\n\u{7f}\u{9b}\u{202e}"), said("a?[2J?????"));
        assert_eq!(no_queue_id(&"é".repeat(100)), said(&"?".repeat(100)));
        assert_eq!(no_queue_id(&"x".repeat(101)), said(&format!("{}…", "x".repeat(100))));
    }
}
