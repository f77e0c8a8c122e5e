//! Identifiers: 16 bytes, written as 32 lowercase hexadecimal digits (spec §1.1).
//!
//! Each kind is a type of its own, so that a consumer's id can never be taken for a queue's.

use core::fmt;
use core::str::FromStr;

/// The text is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits")]
pub struct NotHex;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(hex(&self.0, &mut [0; 32]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotHex;

            /// Reads 32 hexadecimal digits; upper case is accepted and means the same id.
            fn from_str(text: &str) -> Result<Self, NotHex> {
                unhex(text.as_bytes()).map(Self)
            }
        }
    };
}

hex_id! {
    /// An account: the owner of queues and tokens.
    AccountId
}
hex_id! {
    /// A queue. Stable over renames, never reused.
    QueueId
}
hex_id! {
    /// A consumer of a queue.
    ConsumerId
}
hex_id! {
    /// An API token; the part of it that is not secret.
    TokenId
}
hex_id! {
    /// An event subscription.
    SubscriptionId
}
hex_id! {
    /// A message; the same over all its deliveries and in the dead-letter queue.
    MessageId
}

impl MessageId {
    /// The id of the message at `index` of a batch whose first id is `base`.
    ///
    /// One random base serves a whole batch (design §8.9); the index is added to the 128-bit number.
    pub fn in_batch(base: Self, index: u32) -> Self {
        Self(u128::from_be_bytes(base.0).wrapping_add(u128::from(index)).to_be_bytes())
    }

    /// Writes the 32 digits into `out` and returns them as text; for writers that avoid formatting.
    pub fn write_hex<'a>(&self, out: &'a mut [u8; 32]) -> &'a str {
        hex(&self.0, out)
    }
}

fn hex<'a>(bytes: &[u8; 16], out: &'a mut [u8; 32]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    core::str::from_utf8(out).unwrap_or_default()
}

fn unhex(text: &[u8]) -> Result<[u8; 16], NotHex> {
    if text.len() != 32 {
        return Err(NotHex);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn digit(character: u8) -> Result<u8, NotHex> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        b'A'..=b'F' => Ok(character - b'A' + 10),
        _ => Err(NotHex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_writes() {
        let id: QueueId = "023e105f4ecef8ad9ca31a8372d0c353".parse().unwrap();
        assert_eq!(id.to_string(), "023e105f4ecef8ad9ca31a8372d0c353");
        assert_eq!("023E105F4ECEF8AD9CA31A8372D0C353".parse(), Ok(id));
    }

    #[test]
    fn anything_but_32_digits_is_refused() {
        for text in ["", "023e", "g23e105f4ecef8ad9ca31a8372d0c353", "023e105f4ecef8ad9ca31a8372d0c3533"] {
            assert_eq!(text.parse::<QueueId>(), Err(NotHex), "{text}");
        }
    }

    #[test]
    fn ids_of_a_batch_count_up_from_the_base_and_wrap() {
        let base = MessageId([0xff; 16]);
        assert_eq!(MessageId::in_batch(base, 0), base);
        assert_eq!(MessageId::in_batch(base, 2), MessageId((1_u128).to_be_bytes()));
    }
}
