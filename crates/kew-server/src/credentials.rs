//! What a request shows to prove who it is: a Bearer token, or an e-mail address with a key (spec §1.4).
//!
//! When both are there, the Bearer token counts and there is no falling back (design §8.22).

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};
use kew_wire::{Fault, Kind};

const EMAIL: HeaderName = HeaderName::from_static("x-auth-email");
const KEY: HeaderName = HeaderName::from_static("x-auth-key");
/// The lengths of legacy keys, in characters (spec §1.4).
const KEY_LENGTHS: core::ops::RangeInclusive<usize> = 32..=37;

/// A credential as it was shown. It has no `Debug`: it is secret.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    /// `Authorization: Bearer …`.
    Bearer(&'a str),
    /// `X-Auth-Email` and `X-Auth-Key`.
    Pair { email: &'a str, key: &'a str },
}

impl<'a> Shown<'a> {
    /// Reads the credential of a request; `None` when it shows none, or half a pair.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Option<Self>, Fault> {
        let mut authorizations = headers.get_all(AUTHORIZATION).iter();
        match (authorizations.next(), authorizations.next()) {
            (Some(value), None) => {
                let token = value.to_str().ok().and_then(bearer);
                return token
                    .map(|token| Some(Self::Bearer(token)))
                    .ok_or_else(|| malformed(Kind::AuthorizationFormat));
            }
            (Some(_), Some(_)) => return Err(malformed(Kind::AuthorizationFormat)),
            (None, _) => {}
        }
        let (Some(email), Some(key)) = (headers.get(EMAIL), headers.get(KEY)) else { return Ok(None) };
        let (Ok(email), Ok(key)) = (email.to_str(), key.to_str()) else {
            return Err(malformed(Kind::KeyFormat));
        };
        Ok(Some(Self::Pair { email, key }))
    }
}

/// Refuses a key that is shorter or longer than any legacy key; nothing else about its form is looked at.
pub(crate) fn check_length(key: &str) -> Result<(), Fault> {
    if KEY_LENGTHS.contains(&key.len()) { Ok(()) } else { Err(malformed(Kind::KeyFormat)) }
}

fn malformed(chain: Kind) -> Fault {
    Fault::new(Kind::HeadersMalformed).because_of(chain)
}

/// The token of a `Bearer` header, when it is one (RFC 6750 §2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(fits)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_headers_are_told_from_others() {
        for value in ["Bearer abc-._~+/=", "bearer  abc-._~+/=", "BEARER abc-._~+/= "] {
            assert_eq!(bearer(value), Some("abc-._~+/="), "{value}");
        }
        for value in ["", "Bearer", "Bearer ", "Bearer a b", "Basic abc", "abc", "Bearer \"a\"", "Bearer a,b"]
        {
            assert_eq!(bearer(value), None, "{value}");
        }
    }
}
