//! The bodies of Kew's own calls: accounts and tokens.

use kew_model::QueuePattern;
use kew_wire::Kind::BodyInvalid;
use kew_wire::access::{read_new_account, read_new_token};
use kew_wire::rfc3339;

use crate::request::{self, Door};

const ACCOUNT: Door = Door { kinds: &[BodyInvalid], may_be_blank: true };
const TOKEN: Door = Door { kinds: &[BodyInvalid], may_be_blank: false };
/// The longest free text, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// An account to create: a bounded name, and the id that was sent.
///
/// # Panics
/// When a property is broken.
pub fn new_account(input: &[u8]) {
    let Some(((id, name), text)) = ACCOUNT.judge(input, read_new_account(input)) else { return };
    check_text(&name);
    let sent = request::string(text, "/id").map(|id| id.to_ascii_lowercase());
    assert_eq!(id.map(|id| id.to_string()), sent);
}

/// A token to create: some right, on one kind of pattern at the most, and no text without a bound.
///
/// # Panics
/// When a property is broken.
pub fn new_token(input: &[u8]) {
    let Some((asked, text)) = TOKEN.judge(input, read_new_token(input)) else { return };
    check_text(&asked.name);
    let named = request::items_at(text, "/scopes");
    assert!(asked.scopes.iter().count() > 0, "a token without a right");
    for scope in asked.scopes.iter() {
        let is_named = named.iter().any(|raw| request::string(raw, "").as_deref() == Some(scope.name()));
        assert!(is_named, "a right that nobody asked for: {}", scope.name());
    }
    match &asked.queues {
        QueuePattern::All => {
            assert!(request::given(text, "/queue_id").or(request::given(text, "/queue_prefix")).is_none());
        }
        QueuePattern::Exact(_) => assert!(request::given(text, "/queue_id").is_some()),
        QueuePattern::Prefix(prefix) => {
            check_text(prefix);
            assert_eq!(request::string(text, "/queue_prefix").as_ref(), Some(prefix));
        }
    }
    assert_eq!(asked.expires_on.is_some(), request::given(text, "/expires_on").is_some());
    if let Some(moment) = asked.expires_on {
        assert!(rfc3339(moment).ends_with('Z'));
    }
    if let Some(email) = &asked.email {
        check_text(email);
        assert!(email.is_ascii() && email.contains('@') && !email.contains(' '));
    }
}

fn check_text(text: &str) {
    assert!(text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control));
}
