//! THE TABLE: every error that Kew answers with, one row each: name, code, HTTP status, text, whether clients may
//! retry, what to do about it, and where the row comes from.
//!
//! The vendor has published some rows, others were seen in live answers, and some had to be chosen; the table says
//! which. Codes 19000 to 19099 are Kew's own, for conditions whose real code nobody has seen (spec §8.4). The codes
//! of two rows may be equal where one code has several meanings; their names never are. `docs/errors.md` is
//! generated from here.

mod remedies;

use core::fmt::Write as _;

/// Where a row of the table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Published by the vendor.
    Documented,
    /// Seen in live answers or needed by clients.
    Observed,
    /// Decided here.
    Chosen,
}

impl Source {
    /// The word in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
            Self::Chosen => "chosen",
        }
    }
}

/// What an answer tells clients about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Nothing: the status alone speaks.
    Unsaid,
    /// `x-should-retry: false`: it would fail the same way, though SDKs retry the status (spec §8.2).
    Never,
    /// `retry-after`, in seconds.
    After(u8),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The name, as in the code.
    pub name: &'static str,
    /// The `code` in the envelope.
    pub code: u32,
    /// The HTTP status; 0 for rows that only stand in the chain or beside another error.
    pub status: u16,
    /// The text, when a fault has nothing more exact to say.
    pub text: &'static str,
    /// Whether to try again.
    pub again: Again,
    /// Whence code and status.
    pub source: Source,
    /// Where that is written.
    pub evidence: &'static str,
}

macro_rules! catalogue {
    ($($name:ident $code:literal $status:literal $again:expr, $text:literal, $source:ident $evidence:literal;)+) => {
        /// The name of a row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $text] $name,)+
        }

        /// The table.
        pub const LINES: &[Line] = &[
            $(Line {
                name: stringify!($name),
                code: $code,
                status: $status,
                text: $text,
                again: $again,
                source: Source::$source,
                evidence: $evidence,
            },)+
        ];

        impl Kind {
            /// Every row's name, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

use Again::{After, Never, Unsaid};

catalogue! {
    ConnectionMalformed    19010 400 Unsaid, "the request is not well-formed HTTP/1.1", Chosen "spec §8.4";
    HeadersTooLarge        19011 431 Unsaid, "the request's headers are larger than 8 KiB or more than 100", Chosen "store-study §7.3";
    Throttled                971 429 After(1), "Please wait and consider throttling your request speed", Observed "spec §1.7; the condition is ours, store-study §7.3";
    HeadersMalformed        6003 400 Unsaid, "Invalid request headers", Observed "spec §1.4";
    KeyFormat               6103   0 Unsaid, "Invalid format for X-Auth-Key header", Observed "spec §1.4, in the chain of 6003";
    AuthorizationFormat     6111   0 Unsaid, "Invalid format for Authorization header", Observed "spec §1.4, in the chain of 6003";
    NoRoute                 7000   0 Unsaid, "No route for that URI", Observed "spec §2.15, beside 7003";
    RouteUnknown            7003 404 Unsaid, "Could not route to this path, perhaps your object identifier is invalid?", Observed "spec §2.15";
    Unauthenticated        10000 401 Unsaid, "Authentication error", Observed "spec §1.4, §10 C32";
    Forbidden              10000 403 Unsaid, "Authentication error", Documented "spec §1.4, §10 C32";
    BodyInvalid            10026 400 Unsaid, "the request body is invalid", Observed "spec §8.2";
    QueueIdUnknown         10104 404 Unsaid, "queue not found", Documented "spec §8.1; status chosen, §10 C19";
    QueueIdMalformed       10107 400 Unsaid, "a queue id is 32 hexadecimal digits", Documented "spec §8.1; status chosen";
    BatchDelayInvalid      10202 400 Unsaid, "the batch's delay is invalid", Documented "spec §8.1; status chosen";
    MessageMetadataInvalid 10203 400 Unsaid, "a message's content type or delay is invalid", Documented "spec §8.1; status chosen";
    MessageTooLarge        10204 413 Unsaid, "a message counts for at most 128000 bytes", Documented "spec §8.1; status chosen";
    BatchTooLarge          10205 413 Unsaid, "a batch counts for at most 256000 bytes", Documented "spec §8.1; status chosen";
    BatchCount             10206 400 Unsaid, "a batch holds 1 to 100 messages", Documented "spec §8.1; status chosen";
    JsonInvalid            10207 400 Unsaid, "the request body has the wrong shape", Documented "spec §8.1; status observed";
    JsonMalformed          10208 400 Unsaid, "the request body is not JSON", Documented "spec §8.1; status chosen";
    Overloaded             10250 429 After(1), "too many requests are waiting", Documented "spec §8.1";
    StorageFull            10251 429 After(10), "the disk is nearly full", Documented "spec §8.1; the condition is ours, design §8.13";
    QueuePaused            10252 409 Never, "queue_delivery_paused", Documented "spec §10 C17";
    Unavailable            10503 503 After(1), "Service temporarily unavailable", Observed "spec §8.1";
    QueueNotFound          11000 404 Unsaid, "queue not found", Observed "spec §8.2, §10 C19";
    QueueNameInvalid       11003 400 Unsaid, "the queue name must match ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", Observed "spec §8.2; status chosen";
    ConsumerExists         11004 409 Never, "workers.api.error.consumer_exists", Observed "spec §8.2; status chosen";
    ConsumerNotFound       11006 404 Unsaid, "consumer not found", Observed "spec §8.2, §10 C35";
    QueueNameTaken         11009 409 Never, "the queue name is taken", Observed "spec §8.2; status chosen";
    InternalError          15000 500 Unsaid, "internal error", Documented "spec §8.1";
    PullNotEnabled         19001 405 Unsaid, "messages cannot be pulled unless http_pull mode is enabled", Chosen "spec §8.4, §10 C18; text and status observed";
    JurisdictionFixed      19002 400 Unsaid, "a queue's jurisdiction is set at its creation and cannot change", Chosen "spec §8.4";
    QueryInvalid           19003 400 Unsaid, "a query parameter is invalid", Chosen "spec §8.4";
    OutcomeUnknown         19004 503 Unsaid, "the store failed and the outcome of this request is unknown: it may have happened or not", Chosen "design §2";
    RequestTimedOut        19005 503 Unsaid, "the request took too long and its outcome is unknown: it may have happened or not", Chosen "store-study §7.3";
    BodyTimedOut           19006 408 Unsaid, "the request body did not arrive in time", Chosen "store-study §7.3";
    BodyTooLarge           19007 413 Unsaid, "a request body holds at most 1048576 bytes", Chosen "store-study §7.3";
    MethodNotAllowed       19008 405 Unsaid, "this path does not take this method", Chosen "spec §8.4";
    BodyUnreadable         19009 400 Unsaid, "the request body broke off", Chosen "spec §8.4";
    LimitReached           19012 409 Never, "the account holds as many as it may", Chosen "spec §4.12";
    AccountNotFound        19013 404 Unsaid, "account not found", Chosen "Kew's own calls, design §8.20";
    TokenNotFound          19014 404 Unsaid, "token not found", Chosen "Kew's own calls, design §8.20";
    IdTaken                19015 409 Never, "the id is taken", Chosen "Kew's own calls, design §8.20";
    PullConsumerMissing    19016   0 Unsaid, "add a consumer of type http_pull", Chosen "in the chain of 19001, whose own text clients match";
    IdempotencyMismatch    19017 409 Never, "the idempotency key was used for another request", Chosen "design §8.24";
    RedriveCycle           19018 400 Unsaid, "a queue cannot be redriven into itself", Chosen "Kew's own calls, design §8.20";
    DestinationNotFound    19019 404 Unsaid, "Queue does not exist", Chosen "spec §8.4; text and status observed, spec §2.12";
    SubscriptionNotFound   19020 404 Unsaid, "No subscription with this ID", Chosen "spec §8.4; text and status observed, spec §2.12";
    SubscriptionExists     19021 405 Unsaid, "multiple subscriptions per resource are not supported", Chosen "spec §8.4; meaning and status observed, spec §2.12";
    EventsUnknown          19022 400 Unsaid, "Unrecognized event types", Chosen "spec §8.4; text observed, spec §2.12";
    IdempotencyKeyInvalid  19023 400 Unsaid, "the header Idempotency-Key must be 1 to 255 visible ASCII characters, once", Chosen "design §8.24";
    TooManyFailures        19024 429 After(6), "too many wrong credentials came from this address", Chosen "store-study §7.3";
    NotReady               19025 503 After(1), "the server takes no more requests", Chosen "Kew's own calls";
    BackupsOff             19026 409 Never, "this server keeps no backups: start it with --backup-folder DIR", Chosen "Kew's own calls, design §8.20";
    BackupRunning          19027 409 Never, "another backup is being made", Chosen "Kew's own calls, design §8.20";
    BackupNotFound         19028 404 Unsaid, "no backup was begun since the server was started", Chosen "Kew's own calls, design §8.20";
    ConsumerSettings      100127 400 Unsaid, "the consumer's settings are invalid", Observed "spec §8.2";
    QueueSettings         100128 400 Unsaid, "the queue's settings are invalid", Observed "spec §8.2";
}

impl Kind {
    /// The row.
    pub fn line(self) -> &'static Line {
        &LINES[self as usize]
    }
}

/// The table as the page `docs/errors.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Generated from `crates/kew-wire/src/catalogue.rs`; `cargo test -p kew-wire` compares the two and, with\n\
         `KEW_WRITE_DOCS=1`, writes this page anew.\n\n\
         Every error leaves inside the envelope, with one of these codes in `errors[0].code`. Most carry a text of their own that\n\
         names the field, the value and the limit, and point at the field in `errors[0].source.pointer`.\n\n\
         *Source*: **documented** by the vendor, **observed** in live answers or in what clients need, or **chosen** here.\n\
         Codes 19000 to 19099 are Kew's own. *Again*: `never` sends `x-should-retry: false`; a number is `retry-after`\n\
         in seconds. Rows with the status – stand only in the chain of another error, or beside one.\n\n\
         | code | status | name | text | what to do | again | source |\n| ---: | ---: | --- | --- | --- | --- | --- |\n",
    );
    for kind in Kind::ALL {
        let line = kind.line();
        let status = if line.status == 0 { "–".to_owned() } else { line.status.to_string() };
        let again = match line.again {
            Unsaid => String::new(),
            Never => "never".to_owned(),
            After(seconds) => seconds.to_string(),
        };
        let (code, name, text) = (line.code, line.name, line.text);
        let (source, evidence, remedy) = (line.source.name(), line.evidence, kind.remedy());
        // Writing into memory cannot fail.
        let _ = writeln!(
            page,
            "| {code} | {status} | {name} | {text} | {remedy} | {again} | {source}: {evidence} |"
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_their_names() {
        for (kind, line) in Kind::ALL.iter().zip(LINES) {
            assert_eq!(format!("{kind:?}"), line.name);
            assert_eq!(kind.line().name, line.name);
        }
    }

    #[test]
    fn a_code_has_one_status_and_meaning_but_for_the_two_of_authentication() {
        for (index, line) in LINES.iter().enumerate() {
            let twin = LINES[..index].iter().find(|other| other.code == line.code);
            assert!(twin.is_none() || line.code == 10_000, "{}", line.name);
        }
    }

    #[test]
    fn own_codes_are_those_chosen() {
        for line in LINES {
            let own = (19_000..19_100).contains(&line.code);
            assert_eq!(own, line.source == Source::Chosen, "{}", line.name);
        }
    }

    #[test]
    fn statuses_that_sdks_retry_say_whether_to() {
        let permanent_conflicts = LINES.iter().filter(|line| line.status == 409);
        assert!(permanent_conflicts.into_iter().all(|line| line.again == Never));
        let busy = LINES.iter().filter(|line| line.status == 429);
        assert!(busy.into_iter().all(|line| matches!(line.again, After(_))));
    }
}
