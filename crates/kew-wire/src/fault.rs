//! A failure on its way out: a row of the table, with what is known of this one case.
//!
//! [`Fault::of`] is the only place where an [`Error`] of the model becomes a row, by one exhaustive match.

use kew_model::{Error, Setting};

use crate::catalogue::{Kind, Line};

/// Which row says that a queue is missing (spec §10 C19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFound {
    /// 10104: pushes, purges, and what else stands beside them there.
    Data,
    /// 11000: pull, ack and the control plane.
    Control,
}

/// A failure as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(Box<Case>);

/// What is known of one case; boxed, so that results stay small on the way where nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    kind: Kind,
    chain: Option<Kind>,
    beside: Option<Kind>,
    text: Option<String>,
    pointer: Option<String>,
    cause: Option<String>,
}

impl Fault {
    /// A failure with the row's own text.
    pub fn new(kind: Kind) -> Self {
        Self(Box::new(Case { kind, chain: None, beside: None, text: None, pointer: None, cause: None }))
    }

    /// Says more exactly what is wrong, in place of the row's text. Clients see it.
    #[must_use]
    pub fn detailed(mut self, text: impl Into<String>) -> Self {
        self.0.text = Some(text.into());
        self
    }

    /// Points at the field that is wrong: a JSON pointer into the request's body.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into()).filter(|pointer: &String| !pointer.is_empty());
        self
    }

    /// Puts a row into the error's chain (spec §1.2 `error_chain`).
    #[must_use]
    pub fn because_of(mut self, kind: Kind) -> Self {
        self.0.chain = Some(kind);
        self
    }

    /// Puts a second error after this one.
    #[must_use]
    pub fn beside(mut self, kind: Kind) -> Self {
        self.0.beside = Some(kind);
        self
    }

    /// Keeps the inner cause for the log. Clients never see it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The name of the row.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The row.
    pub fn line(&self) -> &'static Line {
        self.0.kind.line()
    }

    /// What clients read.
    pub fn text(&self) -> &str {
        self.0.text.as_deref().unwrap_or(self.line().text)
    }

    /// The field that is wrong.
    pub fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }

    /// The row in the error's chain.
    pub fn chain(&self) -> Option<&'static Line> {
        self.0.chain.map(Kind::line)
    }

    /// The row of the second error.
    pub fn second(&self) -> Option<&'static Line> {
        self.0.beside.map(Kind::line)
    }

    /// The inner cause, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// A queue that is not there, or that the caller may not know of.
    pub fn no_queue(not_found: NotFound) -> Self {
        Self::new(match not_found {
            NotFound::Data => Kind::QueueIdUnknown,
            NotFound::Control => Kind::QueueNotFound,
        })
    }

    /// The row for what a broker refused.
    pub fn of(error: Error, not_found: NotFound) -> Self {
        let text = error.to_string();
        let row = |kind| Self::new(kind).detailed(text.clone());
        match error {
            Error::QueueNotFound => Self::no_queue(not_found),
            Error::AccountNotFound => Self::new(Kind::AccountNotFound),
            Error::ConsumerNotFound => Self::new(Kind::ConsumerNotFound),
            Error::TokenNotFound => Self::new(Kind::TokenNotFound),
            Error::SubscriptionNotFound => Self::new(Kind::SubscriptionNotFound),
            Error::SubscriptionExists => Self::new(Kind::SubscriptionExists),
            Error::DestinationNotFound => Self::new(Kind::DestinationNotFound),
            Error::RedriveCycle => Self::new(Kind::RedriveCycle),
            Error::IdempotencyMismatch => Self::new(Kind::IdempotencyMismatch),
            Error::IdTaken => Self::new(Kind::IdTaken),
            Error::NameInvalid { .. } => row(Kind::QueueNameInvalid).at("/queue_name"),
            Error::NameTaken { .. } => row(Kind::QueueNameTaken).at("/queue_name"),
            Error::ConsumerExists => Self::new(Kind::ConsumerExists),
            Error::DeadLetterCycle => row(Kind::ConsumerSettings).at("/dead_letter_queue"),
            Error::SettingOutOfRange { setting, value, min, max } => Self::setting(setting, value, min, max),
            Error::TooMany { .. } => row(Kind::LimitReached),
            Error::MessageTooLarge { .. } => row(Kind::MessageTooLarge),
            Error::BatchTooLarge { .. } => row(Kind::BatchTooLarge).at("/messages"),
            Error::BatchCount { .. } => row(Kind::BatchCount).at("/messages"),
            Error::PullNotEnabled => Self::new(Kind::PullNotEnabled).because_of(Kind::PullConsumerMissing),
            Error::QueuePaused => Self::new(Kind::QueuePaused),
            Error::Overloaded => Self::new(Kind::Overloaded),
            Error::StorageFull { .. } => Self::new(Kind::StorageFull).caused_by(text),
            Error::Closing => Self::new(Kind::Unavailable).detailed(text),
            Error::OutcomeUnknown { cause } => Self::new(Kind::OutcomeUnknown).caused_by(cause),
            Error::Internal { cause } => Self::new(Kind::InternalError).caused_by(cause),
        }
    }

    fn setting(setting: Setting, value: u64, min: u64, max: u64) -> Self {
        let (kind, name) = match setting {
            Setting::Queue(name) => (Kind::QueueSettings, name),
            Setting::Consumer(name) => (Kind::ConsumerSettings, name),
        };
        Self::new(kind)
            .detailed(format!("{name} must be a whole number from {min} to {max}, not {value}"))
            .at(format!("/settings/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_queue_has_another_code_at_push_than_elsewhere() {
        assert_eq!(Fault::of(Error::QueueNotFound, NotFound::Data).line().code, 10_104);
        assert_eq!(Fault::of(Error::QueueNotFound, NotFound::Control).line().code, 11_000);
    }

    #[test]
    fn causes_are_for_the_log_and_not_in_the_text() {
        let fault = Fault::of(Error::Internal { cause: "segment 7".into() }, NotFound::Data);
        assert_eq!((fault.text(), fault.cause()), ("internal error", Some("segment 7")));
        let fault = Fault::of(Error::OutcomeUnknown { cause: "EIO".into() }, NotFound::Data);
        assert!(fault.text().contains("outcome of this request is unknown") && !fault.text().contains("EIO"));
    }

    #[test]
    fn a_setting_out_of_range_is_named_with_value_and_limits() {
        let error = Error::SettingOutOfRange {
            setting: Setting::Queue("delivery_delay"),
            value: 86_401,
            min: 0,
            max: 86_400,
        };
        let fault = Fault::of(error, NotFound::Control);
        assert_eq!(fault.kind(), Kind::QueueSettings);
        assert_eq!(fault.text(), "delivery_delay must be a whole number from 0 to 86400, not 86401");
        assert_eq!(fault.pointer(), Some("/settings/delivery_delay"));
    }
}
