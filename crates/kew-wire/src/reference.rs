//! Refs: a message of one queue, seen by a peek, as text that only this server can have written.
//!
//! A ref is 40 characters of base64url over 30 bytes: version, key id, queue number, sequence, and a 128-bit MAC of these,
//! keyed BLAKE3 (spec §2.11 rows 19 and 20). Neither number is ever used again, so a ref names the same message for ever,
//! or none.
//!
//! Invariants: a ref that a client altered in any bit opens nothing; a ref never opens as a lease id, nor a lease id as a
//! ref, since each has a length and a key of its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kew_model::{QueueNumber, Sequence};

use crate::keys::{Key, KeyRing, MAC, is_same_mac, part};

/// The length of a ref, in characters.
pub const LENGTH: usize = 40;

const VERSION: u8 = 1;
const PLAIN: usize = 1 + 1 + 4 + 8;
const SEALED: usize = PLAIN + MAC;

/// One message of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The queue that it was seen in.
    pub queue: QueueNumber,
    /// Its place there.
    pub message: Sequence,
}

impl KeyRing {
    /// Writes the message's ref into `out`, under the newest key, and gives it as text.
    pub fn seal_reference<'a>(&self, reference: Reference, out: &'a mut [u8; LENGTH]) -> &'a str {
        let key = self.newest();
        let mut bytes = [0; SEALED];
        (bytes[0], bytes[1]) = (VERSION, key.id);
        bytes[2..6].copy_from_slice(&reference.queue.0.to_be_bytes());
        bytes[6..PLAIN].copy_from_slice(&reference.message.0.to_be_bytes());
        let mac = mac_of(key, &bytes[..PLAIN]);
        bytes[PLAIN..].copy_from_slice(&mac);
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, out).unwrap_or_default();
        core::str::from_utf8(&out[..written]).unwrap_or_default()
    }

    /// The message of a ref that the ring has sealed; `None` for any other text.
    pub fn open_reference(&self, text: &str) -> Option<Reference> {
        let mut bytes = [0; SEALED];
        if text.len() != LENGTH || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(SEALED) {
            return None;
        }
        if bytes[0] != VERSION {
            return None;
        }
        let key = self.find(bytes[1])?;
        let reference = Reference {
            queue: QueueNumber(u32::from_be_bytes(part(&bytes, 2))),
            message: Sequence(u64::from_be_bytes(part(&bytes, 6))),
        };
        is_same_mac(&mac_of(key, &bytes[..PLAIN]), &part(&bytes, PLAIN)).then_some(reference)
    }
}

fn mac_of(key: &Key, plain: &[u8]) -> [u8; MAC] {
    part(blake3::keyed_hash(&key.references, plain).as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use kew_model::{Chance, Lease};

    use super::*;
    use crate::lease_id;

    struct Fixed(u8);

    impl Chance for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    const REFERENCE: Reference = Reference { queue: QueueNumber(7), message: Sequence(1 << 40) };

    fn sealed(ring: &KeyRing) -> String {
        ring.seal_reference(REFERENCE, &mut [0; LENGTH]).to_owned()
    }

    #[test]
    fn a_sealed_message_opens_and_is_40_characters() {
        let ring = KeyRing::generate(&Fixed(1));
        let text = sealed(&ring);
        assert_eq!(text.len(), LENGTH);
        assert_eq!(ring.open_reference(&text), Some(REFERENCE));
    }

    #[test]
    fn the_format_does_not_change_from_release_to_release() {
        assert_eq!(sealed(&KeyRing::generate(&Fixed(1))), "AQAAAAAHAAABAAAAAACvWtsnvhPtRYY5fORrKvAy");
    }

    #[test]
    fn no_altered_bit_opens() {
        let ring = KeyRing::generate(&Fixed(1));
        let sealed = URL_SAFE_NO_PAD.decode(sealed(&ring)).unwrap();
        for bit in 0..SEALED * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ring.open_reference(&URL_SAFE_NO_PAD.encode(altered)), None, "bit {bit}");
        }
    }

    #[test]
    fn other_texts_open_nothing() {
        let ring = KeyRing::generate(&Fixed(1));
        let text = sealed(&ring);
        for other in
            ["", "x", &text[1..], &format!("{text}A"), &format!("{text}="), &"é".repeat(20), &"!".repeat(40)]
        {
            assert_eq!(ring.open_reference(other), None, "{other}");
        }
        assert_eq!(KeyRing::generate(&Fixed(2)).open_reference(&text), None, "another key");
    }

    #[test]
    fn a_ref_is_no_lease_id_and_a_lease_id_no_ref() {
        // Given a ref and a lease id of the same message under the same key
        let ring = KeyRing::generate(&Fixed(1));
        let reference = sealed(&ring);
        let lease = Lease { queue: REFERENCE.queue, message: REFERENCE.message, fence: 3 };
        let lease_id = ring.sealer().seal(lease, &mut [0; lease_id::LENGTH]).to_owned();
        // Then neither opens as the other, nor with the other's length
        assert_eq!((ring.opener().open(&reference), ring.open_reference(&lease_id)), (None, None));
        assert_eq!(ring.open_reference(&lease_id[..LENGTH]), None);
        let mut longer = URL_SAFE_NO_PAD.decode(&reference).unwrap();
        longer.splice(PLAIN..PLAIN, 3_u64.to_be_bytes());
        let longer = URL_SAFE_NO_PAD.encode(longer);
        assert_eq!((longer.len(), ring.opener().open(&longer)), (lease_id::LENGTH, None));
        // And the MACs differ over the very same bytes
        let key = ring.newest();
        assert_ne!(key.leases, key.references);
        let as_lease = blake3::keyed_hash(&key.leases, &[1; PLAIN]);
        assert_ne!(mac_of(key, &[1; PLAIN]), part::<MAC>(as_lease.as_bytes(), 0));
    }

    #[test]
    fn an_old_key_opens_after_a_new_one_seals() {
        let mut ring = KeyRing::generate(&Fixed(1));
        let old = sealed(&ring);
        ring.rotate(&Fixed(2));
        let read = KeyRing::parse(&ring.format()).unwrap();
        assert_ne!(sealed(&ring), old);
        assert_eq!(
            (read.open_reference(&old), read.open_reference(&sealed(&ring))),
            (Some(REFERENCE), Some(REFERENCE))
        );
    }
}
