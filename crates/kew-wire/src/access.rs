//! Credentials, and Kew's own calls that manage accounts and tokens (`/kew/v1`, design §8.20).
//!
//! A token is `kew_`, 32 hexadecimal digits (its id, no secret), `_`, and 43 characters of base64url (32 random bytes).
//! A legacy key, which comes with an e-mail address, is 37 hexadecimal digits. Both are shown once; what is kept is a
//! BLAKE3 of the whole text. A fast hash is right for secrets of 148 bits and more: there is nothing to guess.
//!
//! Invariants: no secret is printed by `Debug` or `Display`, and comparing takes the same time wherever texts differ.

pub(crate) mod admin;
mod identity;

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kew_model::{Chance, SecretHash, TokenId};

pub use admin::{
    AccountView, AskedToken, NewAccountRequest, NewTokenRequest, TokenView, read_new_account, read_new_token,
};
pub use identity::{Identity, MemberAccountView, MembershipView, UserView, VerifiedView, write_verified};

const PREFIX: &str = "kew_";
/// The length of a legacy key, in characters (spec §1.4).
const LEGACY_KEY_LENGTH: usize = 37;

/// A text that opens something; it does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that shows it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A credential just made.
#[derive(Debug)]
pub struct Credential {
    /// The part that is not secret.
    pub id: TokenId,
    /// What to keep of it.
    pub hash: SecretHash,
    /// What to show to its owner, once.
    pub secret: Secret,
}

impl Credential {
    /// Makes a token for `Authorization: Bearer`.
    pub fn mint(chance: &dyn Chance) -> Self {
        let id = TokenId(chance.id());
        let mut random = [0; 32];
        chance.fill(&mut random);
        Self::of(id, format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// Makes a key for `X-Auth-Key`, to be used with an e-mail address.
    pub fn mint_legacy_key(chance: &dyn Chance) -> Self {
        let id = TokenId(chance.id());
        let mut random = [0; 32];
        chance.fill(&mut random);
        let hex = blake3::Hash::from_bytes(random).to_hex();
        Self::of(id, hex[..LEGACY_KEY_LENGTH].to_owned())
    }

    fn of(id: TokenId, text: String) -> Self {
        Self { id, hash: hash_of(&text), secret: Secret::new(text) }
    }

    /// The id in a token's text; `None` when it is not of a token's form.
    pub fn id_in(text: &str) -> Option<TokenId> {
        let (id, random) = text.strip_prefix(PREFIX)?.split_once('_')?;
        (random.len() == 43).then_some(())?;
        id.parse().ok()
    }
}

/// What is kept of a credential.
pub fn hash_of(text: &str) -> SecretHash {
    SecretHash(*blake3::hash(text.as_bytes()).as_bytes())
}

/// Compares what is kept with what was presented, in a time that tells nothing.
pub fn is_same(kept: &SecretHash, presented: &SecretHash) -> bool {
    blake3::Hash::from_bytes(kept.0) == blake3::Hash::from_bytes(presented.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(core::sync::atomic::AtomicU8);

    impl Chance for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_token_names_its_id_and_hashes_as_a_whole() {
        let minted = Credential::mint(&Counting(0.into()));
        let text = minted.secret.reveal();
        assert_eq!(text, "kew_000102030405060708090a0b0c0d0e0f_EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8");
        assert_eq!(Credential::id_in(text), Some(minted.id));
        assert!(is_same(&minted.hash, &hash_of(text)));
        assert!(!is_same(&minted.hash, &hash_of(&text.replace("EBES", "EBET"))));
        assert!(!is_same(&minted.hash, &hash_of(&text.replace("Li8", "Li9"))));
    }

    #[test]
    fn a_legacy_key_is_37_hexadecimal_digits() {
        let minted = Credential::mint_legacy_key(&Counting(0.into()));
        assert_eq!(minted.secret.reveal(), "101112131415161718191a1b1c1d1e1f20212");
        assert!(is_same(&minted.hash, &hash_of(minted.secret.reveal())));
    }

    #[test]
    fn other_texts_have_no_id() {
        let random = "a".repeat(43);
        for text in [
            "",
            "kew_",
            "kew__",
            "anything",
            &format!("kew_0001_{random}"),
            &format!("kew_{}_{random}a", "0".repeat(32)),
            &format!("qk_{}_{random}", "0".repeat(32)),
        ] {
            assert_eq!(Credential::id_in(text), None, "{text}");
        }
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        let minted = Credential::mint(&Counting(7.into()));
        let printed = format!("{minted:?} {:?}", Secret::new("open sesame"));
        assert!(!printed.contains("kew_") && !printed.contains("sesame"));
    }
}
