//! Every URL of the server, one row each, with the right that it needs.
//!
//! The table is all there is: what is not in it is answered with 404 and 7003/7000 (spec §2.15), what is there under
//! another method with 405. Tests walk it, so that a new row cannot be forgotten by the matrix of rights.

mod names;

use hyper::Method;
use kew_model::Scope;
use kew_wire::{Fault, Kind};

pub use names::{Naming, Object};

/// What a request wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Health,
    Ready,
    Expose,
    Describe,
    ListQueues,
    CreateQueue,
    GetQueue,
    ReplaceQueue,
    ChangeQueue,
    DeleteQueue,
    GetMetrics,
    Purge,
    GetPurge,
    ListConsumers,
    CreateConsumer,
    GetConsumer,
    ReplaceConsumer,
    DeleteConsumer,
    Push,
    PushBatch,
    Pull,
    Ack,
    Peek,
    Discard,
    Extend,
    Preview,
    AckPreview,
    Redrive,
    ListSubscriptions,
    CreateSubscription,
    GetSubscription,
    ChangeSubscription,
    DeleteSubscription,
    VerifyToken,
    GetUser,
    ListMemberships,
    ListOwnAccounts,
    GetOwnAccount,
    ListAccounts,
    CreateAccount,
    ListTokens,
    CreateToken,
    RevokeToken,
    StartBackup,
    ShowBackup,
}

/// The right that a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// None: a constant answer.
    Nothing,
    /// None but to be known: an answer about the caller itself.
    Known,
    /// A scope, in the account of the path.
    InAccount(Scope),
    /// The scopes consume and push, both, in the account of the path.
    Moving,
    /// To watch the server: the scope read, over all queues.
    Watching,
    /// To manage the server: the scope admin, over all queues.
    Server,
}

impl Right {
    /// What [`Right::Moving`] needs, in words.
    pub(crate) const MOVING_NAME: &str = "consume and push";
    /// What [`Right::Watching`] needs, in words.
    pub(crate) const WATCHING_NAME: &str = "read over all queues";
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: &'static Method,
    /// The path's parts; `{…}` stands for any text but none.
    path: &'static [&'static str],
    pub(crate) right: Right,
    pub(crate) operation: Operation,
}

/// A row that a path fits, with the texts for its `{…}` in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matched<'a> {
    pub(crate) route: &'static Route,
    pub(crate) account: &'a str,
    pub(crate) queue: &'a str,
    /// The consumer, the subscription, or the token.
    pub(crate) item: &'a str,
}

const ACCOUNT: &str = "{account}";
const QUEUE: &str = "{queue}";
const ITEM: &str = "{item}";

const QUEUES: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues"];
const ONE_QUEUE: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE];
const CONSUMERS: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "consumers"];
const ONE_CONSUMER: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "consumers", ITEM];
const METRICS: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "metrics"];
const PURGE: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "purge"];
const SUBSCRIPTIONS: &[&str] = &["client", "v4", "accounts", ACCOUNT, "event_subscriptions", "subscriptions"];
const ONE_SUBSCRIPTION: &[&str] =
    &["client", "v4", "accounts", ACCOUNT, "event_subscriptions", "subscriptions", ITEM];
const OWN_ACCOUNTS: &[&str] = &["client", "v4", "accounts"];
const OWN_ACCOUNT: &[&str] = &["client", "v4", "accounts", ACCOUNT];
const ACCOUNT_TOKEN: &[&str] = &["client", "v4", "accounts", ACCOUNT, "tokens", "verify"];
const USER: &[&str] = &["client", "v4", "user"];
const MEMBERSHIPS: &[&str] = &["client", "v4", "memberships"];
const HEALTH: &[&str] = &["healthz"];
const READY: &[&str] = &["readyz"];
const EXPOSITION: &[&str] = &["metrics"];
const DOCUMENT: &[&str] = &["kew", "v1", "openapi.json"];
const USER_TOKEN: &[&str] = &["client", "v4", "user", "tokens", "verify"];
const MESSAGES: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages"];
const BATCH: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "batch"];
const PULL: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "pull"];
const ACK: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "ack"];
const PEEK: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "peek"];
const REFERENCES: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "purge"];
const EXTEND: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "extend"];
const PREVIEW: &[&str] = &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "preview"];
const PREVIEW_ACK: &[&str] =
    &["client", "v4", "accounts", ACCOUNT, "queues", QUEUE, "messages", "preview", "ack"];
const REDRIVE: &[&str] = &["kew", "v1", "accounts", ACCOUNT, "queues", QUEUE, "redrive"];
const ACCOUNTS: &[&str] = &["kew", "v1", "accounts"];
const TOKENS: &[&str] = &["kew", "v1", "accounts", ACCOUNT, "tokens"];
const ONE_TOKEN: &[&str] = &["kew", "v1", "accounts", ACCOUNT, "tokens", ITEM];

const BACKUPS: &[&str] = &["kew", "v1", "backups"];

const READ: Right = Right::InAccount(Scope::Read);
const WRITE: Right = Right::InAccount(Scope::Write);
const PUSHING: Right = Right::InAccount(Scope::Push);
const CONSUMING: Right = Right::InAccount(Scope::Consume);

/// The table. The calls that carry most requests come first.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route(&Method::POST,   MESSAGES,         PUSHING,        Operation::Push),
    route(&Method::POST,   BATCH,            PUSHING,        Operation::PushBatch),
    route(&Method::POST,   PULL,             CONSUMING,      Operation::Pull),
    route(&Method::POST,   ACK,              CONSUMING,      Operation::Ack),
    route(&Method::POST,   EXTEND,           CONSUMING,      Operation::Extend),
    route(&Method::POST,   PEEK,             CONSUMING,      Operation::Peek),
    route(&Method::POST,   REFERENCES,       CONSUMING,      Operation::Discard),
    route(&Method::POST,   PREVIEW,          CONSUMING,      Operation::Preview),
    route(&Method::POST,   PREVIEW_ACK,      CONSUMING,      Operation::AckPreview),
    route(&Method::GET,    QUEUES,           READ,           Operation::ListQueues),
    route(&Method::POST,   QUEUES,           WRITE,          Operation::CreateQueue),
    route(&Method::GET,    ONE_QUEUE,        READ,           Operation::GetQueue),
    route(&Method::PUT,    ONE_QUEUE,        WRITE,          Operation::ReplaceQueue),
    route(&Method::PATCH,  ONE_QUEUE,        WRITE,          Operation::ChangeQueue),
    route(&Method::DELETE, ONE_QUEUE,        WRITE,          Operation::DeleteQueue),
    route(&Method::GET,    METRICS,          READ,           Operation::GetMetrics),
    route(&Method::POST,   PURGE,            WRITE,          Operation::Purge),
    route(&Method::GET,    PURGE,            READ,           Operation::GetPurge),
    route(&Method::GET,    CONSUMERS,        READ,           Operation::ListConsumers),
    route(&Method::POST,   CONSUMERS,        WRITE,          Operation::CreateConsumer),
    route(&Method::GET,    ONE_CONSUMER,     READ,           Operation::GetConsumer),
    route(&Method::PUT,    ONE_CONSUMER,     WRITE,          Operation::ReplaceConsumer),
    route(&Method::DELETE, ONE_CONSUMER,     WRITE,          Operation::DeleteConsumer),
    route(&Method::GET,    SUBSCRIPTIONS,    READ,           Operation::ListSubscriptions),
    route(&Method::POST,   SUBSCRIPTIONS,    WRITE,          Operation::CreateSubscription),
    route(&Method::GET,    ONE_SUBSCRIPTION, READ,           Operation::GetSubscription),
    route(&Method::PATCH,  ONE_SUBSCRIPTION, WRITE,          Operation::ChangeSubscription),
    route(&Method::DELETE, ONE_SUBSCRIPTION, WRITE,          Operation::DeleteSubscription),
    route(&Method::GET,    USER_TOKEN,       Right::Known,   Operation::VerifyToken),
    route(&Method::GET,    ACCOUNT_TOKEN,    Right::Known,   Operation::VerifyToken),
    route(&Method::GET,    USER,             Right::Known,   Operation::GetUser),
    route(&Method::GET,    MEMBERSHIPS,      Right::Known,   Operation::ListMemberships),
    route(&Method::GET,    OWN_ACCOUNTS,     Right::Known,   Operation::ListOwnAccounts),
    route(&Method::GET,    OWN_ACCOUNT,      Right::Known,   Operation::GetOwnAccount),
    route(&Method::GET,    HEALTH,           Right::Nothing, Operation::Health),
    route(&Method::GET,    READY,            Right::Nothing, Operation::Ready),
    route(&Method::GET,    EXPOSITION,       Right::Watching, Operation::Expose),
    route(&Method::GET,    DOCUMENT,         Right::Nothing, Operation::Describe),
    route(&Method::POST,   REDRIVE,          Right::Moving,  Operation::Redrive),
    route(&Method::GET,    ACCOUNTS,         Right::Server,  Operation::ListAccounts),
    route(&Method::POST,   ACCOUNTS,         Right::Server,  Operation::CreateAccount),
    route(&Method::GET,    TOKENS,           Right::Server,  Operation::ListTokens),
    route(&Method::POST,   TOKENS,           Right::Server,  Operation::CreateToken),
    route(&Method::DELETE, ONE_TOKEN,        Right::Server,  Operation::RevokeToken),
    route(&Method::POST,   BACKUPS,          Right::Server,  Operation::StartBackup),
    route(&Method::GET,    BACKUPS,          Right::Server,  Operation::ShowBackup),
];

const fn route(
    method: &'static Method,
    path: &'static [&'static str],
    right: Right,
    operation: Operation,
) -> Route {
    Route { method, path, right, operation }
}

/// More parts than any row has.
const PARTS_MAX: usize = 10;

/// Finds the row for a request. HEAD is answered as GET, without the body.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Result<Matched<'a>, Fault> {
    let mut parts = [""; PARTS_MAX];
    let parts = split(path, &mut parts);
    let asked = if *method == Method::HEAD { &Method::GET } else { method };
    let mut is_known = false;
    for route in ROUTES.iter().filter(|route| route.fits(parts)) {
        if route.method == asked {
            return Ok(route.matched(parts));
        }
        is_known = true;
    }
    if is_known {
        let why = format!("this path takes {}, not {method}", methods_of(path));
        return Err(Fault::new(Kind::MethodNotAllowed).detailed(why));
    }
    let shown: String = path.chars().take(200).collect();
    let why = format!("Could not route to {shown}, perhaps your object identifier is invalid?");
    Err(Fault::new(Kind::RouteUnknown).detailed(why).beside(Kind::NoRoute))
}

/// The methods that a path takes, for the header `allow`.
pub(crate) fn methods_of(path: &str) -> String {
    let mut parts = [""; PARTS_MAX];
    let parts = split(path, &mut parts);
    let methods: Vec<_> =
        ROUTES.iter().filter(|route| route.fits(parts)).map(|route| route.method.as_str()).collect();
    methods.join(", ")
}

/// The parts of a path, as many as there is room for; one too many fits no row.
fn split<'a, 'b>(path: &'a str, parts: &'b mut [&'a str; PARTS_MAX]) -> &'b [&'a str] {
    let path = path.strip_prefix('/').unwrap_or_default();
    let ends = memchr::memchr_iter(b'/', path.as_bytes()).chain([path.len()]);
    let (mut start, mut count) = (0, 0);
    for (place, end) in parts.iter_mut().zip(ends) {
        *place = &path[start..end];
        (start, count) = (end + 1, count + 1);
    }
    &parts[..count]
}

impl Route {
    /// Whether it administers something, and is told in the audit log: what changes queues, consumers, subscriptions,
    /// accounts or tokens, and what moves messages between queues.
    pub(crate) fn is_audited(&self) -> bool {
        let is_administration =
            matches!(self.right, Right::InAccount(Scope::Write) | Right::Server | Right::Moving);
        is_administration && *self.method != Method::GET
    }

    fn fits(&self, parts: &[&str]) -> bool {
        parts.len() == self.path.len()
            && self
                .path
                .iter()
                .zip(parts)
                .all(|(known, part)| known == part || known.starts_with('{') && !part.is_empty())
    }

    fn matched<'a>(&'static self, parts: &[&'a str]) -> Matched<'a> {
        let text = |name| {
            let place = self.path.iter().position(|known| *known == name);
            place.and_then(|place| parts.get(place).copied()).unwrap_or_default()
        };
        Matched { route: self, account: text(ACCOUNT), queue: text(QUEUE), item: text(ITEM) }
    }
}

/// A row of the table of routes, for documentation and for tests that walk all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSummary {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with `{account}`, `{queue}` and `{item}` where any text may stand.
    pub path: String,
    /// Its operation's id in `docs/openapi.json`.
    pub id: &'static str,
    /// The scope that it needs: a scope's name; `consume and push` for both; `read over all queues`; `server` for the scope admin over all queues; `any` for a credential
    /// of any kind; `none`.
    pub right: &'static str,
    /// The objects that a request names, apart from its account.
    pub names: &'static [Naming],
}

/// Every URL that the server knows, in the order of the table.
pub fn routes() -> Vec<RouteSummary> {
    let summary = |route: &Route| RouteSummary {
        method: route.method.as_str(),
        path: format!("/{}", route.path.join("/")),
        id: route.operation.id(),
        right: match route.right {
            Right::Nothing => "none",
            Right::Known => "any",
            Right::InAccount(scope) => scope.name(),
            Right::Moving => Right::MOVING_NAME,
            Right::Watching => Right::WATCHING_NAME,
            Right::Server => "server",
        },
        names: route.operation.names(),
    };
    ROUTES.iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_with_their_texts() {
        let found = find(&Method::DELETE, "/client/v4/accounts/a/queues/q/consumers/c").unwrap();
        assert_eq!(found.route.operation, Operation::DeleteConsumer);
        assert_eq!((found.account, found.queue, found.item), ("a", "q", "c"));
        let found = find(&Method::HEAD, "/healthz").unwrap();
        assert_eq!((found.route.operation, found.account), (Operation::Health, ""));
    }

    #[test]
    fn what_is_no_row_is_unknown() {
        for path in [
            "",
            "/",
            "*",
            "healthz",
            "/healthz/",
            "/client/v4/accounts/a/queues/",
            "/client/v4/accounts/a/queues/q/messages/poll",
            "//client/v4/accounts/a/queues",
            "/accounts/a/queues",
            "/client/v4/accounts/a/queues/q/consumers/c/d",
            "/client/v4/accounts/a/queues/q/consumers/c/d/e/f/g",
        ] {
            assert_eq!(find(&Method::GET, path).unwrap_err().kind(), Kind::RouteUnknown, "{path}");
        }
    }

    #[test]
    fn a_known_path_with_another_method_says_which_it_takes() {
        let fault = find(&Method::PUT, "/client/v4/accounts/a/queues").unwrap_err();
        assert_eq!(fault.text(), "this path takes GET, POST, not PUT");
        assert_eq!(methods_of("/client/v4/accounts/a/queues/q/messages/pull"), "POST");
    }

    #[test]
    fn no_two_rows_are_the_same() {
        let routes = routes();
        for (index, route) in routes.iter().enumerate() {
            let is_same = |other: &RouteSummary| (other.method, &other.path) == (route.method, &route.path);
            assert!(!routes[..index].iter().any(is_same), "{route:?}");
        }
    }
}
