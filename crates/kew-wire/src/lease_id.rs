//! Lease ids: a [`Lease`] as text that only this server can have written.
//!
//! A lease id is 51 characters of base64url over 38 bytes: version, key id, queue number, sequence, fence, and a
//! 128-bit MAC of these (design §8.10). The MAC is a piece of the output of keyed BLAKE3, a pseudorandom function: one
//! call gives 64 bytes, which are the MACs of four neighbouring sequences of one delivery. A pull's leases are
//! neighbours, so a [`Sealer`] and an [`Opener`] keep the last 64 bytes and call it once for four ids. An id holds all
//! that a settlement needs, so that it can be judged after a restart and after the message is gone, and no deadline, so
//! that it stays the same when the lease is extended.
//!
//! Invariants: an id that a client altered in any bit opens nothing, and how long that takes to find does not depend
//! on which bit it was; sealing and opening allocate nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kew_model::{Lease, QueueNumber, Sequence};

use crate::keys::{Key, MAC, is_same_mac, part};
pub use crate::keys::{KeyRing, KeyRingError};

/// The length of a lease id, in characters.
pub const LENGTH: usize = 51;

const VERSION: u8 = 1;
const PLAIN: usize = 1 + 1 + 4 + 8 + 8;
/// How many sequences share one call: as many MACs as fit one output block.
const NEIGHBOURS: u64 = 4;
const SEALED: usize = PLAIN + MAC;

impl KeyRing {
    /// Seals leases, neighbours cheaply.
    pub fn sealer(&self) -> Sealer<'_> {
        Sealer { mac: Mac::new(self.newest()) }
    }

    /// Opens lease ids, neighbours cheaply.
    pub fn opener(&self) -> Opener<'_> {
        Opener { ring: self, mac: Mac::new(self.newest()) }
    }
}

/// Writes lease ids under the newest key of a ring.
#[derive(Clone)]
pub struct Sealer<'a> {
    mac: Mac<'a>,
}

impl Sealer<'_> {
    /// Writes the lease's id into `out` and gives it as text.
    pub fn seal<'a>(&mut self, lease: Lease, out: &'a mut [u8; LENGTH]) -> &'a str {
        let mut bytes = [0; SEALED];
        bytes[0] = VERSION;
        bytes[1] = self.mac.key.id;
        bytes[2..6].copy_from_slice(&lease.queue.0.to_be_bytes());
        bytes[6..14].copy_from_slice(&lease.message.0.to_be_bytes());
        bytes[14..22].copy_from_slice(&lease.fence.to_be_bytes());
        bytes[PLAIN..].copy_from_slice(&self.mac.of(lease));
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, out).unwrap_or_default();
        core::str::from_utf8(&out[..written]).unwrap_or_default()
    }
}

/// Reads lease ids that any key of a ring has sealed.
#[derive(Clone)]
pub struct Opener<'a> {
    ring: &'a KeyRing,
    mac: Mac<'a>,
}

impl Opener<'_> {
    /// The lease of an id that the ring has sealed; `None` for any other text.
    pub fn open(&mut self, text: &str) -> Option<Lease> {
        let mut bytes = [0; SEALED];
        if text.len() != LENGTH || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(SEALED) {
            return None;
        }
        if bytes[0] != VERSION {
            return None;
        }
        if self.mac.key.id != bytes[1] {
            self.mac = Mac::new(self.ring.find(bytes[1])?);
        }
        let lease = Lease {
            queue: QueueNumber(u32::from_be_bytes(part(&bytes, 2))),
            message: Sequence(u64::from_be_bytes(part(&bytes, 6))),
            fence: u64::from_be_bytes(part(&bytes, 14)),
        };
        is_same_mac(&self.mac.of(lease), &part(&bytes, PLAIN)).then_some(lease)
    }
}

/// MACs under one key, and the last output block.
#[derive(Clone)]
struct Mac<'a> {
    key: &'a Key,
    neighbours: Option<Lease>,
    block: [u8; blake3::BLOCK_LEN],
}

impl<'a> Mac<'a> {
    fn new(key: &'a Key) -> Self {
        Self { key, neighbours: None, block: [0; blake3::BLOCK_LEN] }
    }

    fn of(&mut self, lease: Lease) -> [u8; MAC] {
        let first = Lease { message: Sequence(lease.message.0 / NEIGHBOURS), ..lease };
        if self.neighbours != Some(first) {
            let mut input = [0; PLAIN];
            (input[0], input[1]) = (VERSION, self.key.id);
            input[2..6].copy_from_slice(&first.queue.0.to_be_bytes());
            input[6..14].copy_from_slice(&first.message.0.to_be_bytes());
            input[14..22].copy_from_slice(&first.fence.to_be_bytes());
            let mut hasher = blake3::Hasher::new_keyed(&self.key.leases);
            hasher.update(&input).finalize_xof().fill(&mut self.block);
            self.neighbours = Some(first);
        }
        let start = usize::try_from(lease.message.0 % NEIGHBOURS).unwrap_or(0) * MAC;
        part(&self.block, start)
    }
}

#[cfg(test)]
mod tests {
    use kew_model::Chance;

    use super::*;

    struct Fixed(u8);

    impl Chance for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    const LEASE: Lease = Lease { queue: QueueNumber(7), message: Sequence(1 << 40), fence: u64::MAX - 1 };

    fn sealed(ring: &KeyRing) -> String {
        ring.sealer().seal(LEASE, &mut [0; LENGTH]).to_owned()
    }

    #[test]
    fn a_sealed_lease_opens_and_is_51_characters() {
        let ring = KeyRing::generate(&Fixed(1));
        let id = sealed(&ring);
        assert_eq!(id.len(), LENGTH);
        assert_eq!(ring.opener().open(&id), Some(LEASE));
    }

    #[test]
    fn the_format_does_not_change_from_release_to_release() {
        let ring = KeyRing::generate(&Fixed(1));
        assert_eq!(sealed(&ring), "AQAAAAAHAAABAAAAAAD__________sum96bO_n7gA_gXdY8395s");
    }

    #[test]
    fn neighbours_have_ids_of_their_own_however_they_are_sealed() {
        let ring = KeyRing::generate(&Fixed(1));
        let (mut sealer, mut opener) = (ring.sealer(), ring.opener());
        let mut seen = std::collections::BTreeSet::new();
        for message in (1..200).chain([u64::MAX, 3, 2]) {
            let lease = Lease { message: Sequence(message), ..LEASE };
            let id = sealer.seal(lease, &mut [0; LENGTH]).to_owned();
            assert_eq!(id, ring.sealer().seal(lease, &mut [0; LENGTH]), "sealed alone or in a row");
            assert_eq!((opener.open(&id), ring.opener().open(&id)), (Some(lease), Some(lease)));
            seen.insert(id[30..].to_owned());
        }
        assert_eq!(seen.len(), 200, "no two share a MAC");
    }

    #[test]
    fn no_altered_bit_opens() {
        let ring = KeyRing::generate(&Fixed(1));
        let sealed = URL_SAFE_NO_PAD.decode(sealed(&ring)).unwrap();
        for bit in 0..SEALED * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ring.opener().open(&URL_SAFE_NO_PAD.encode(altered)), None, "bit {bit}");
        }
    }

    #[test]
    fn other_texts_open_nothing() {
        let ring = KeyRing::generate(&Fixed(1));
        let id = sealed(&ring);
        for text in
            ["", "x", &id[1..], &format!("{id}A"), &format!("{id}="), &"é".repeat(26), &"!".repeat(51)]
        {
            assert_eq!(ring.opener().open(text), None, "{text}");
        }
        assert_eq!(KeyRing::generate(&Fixed(2)).opener().open(&id), None, "another key");
    }

    #[test]
    fn a_million_guesses_open_nothing() {
        let ring = KeyRing::generate(&Fixed(1));
        let mut bytes = [0; SEALED];
        (bytes[0], bytes[1]) = (VERSION, 0);
        // Guesses that name the right version and key; all else is a counter, mixed.
        for guess in 0..1_000_000_u64 {
            for (index, part) in (0_u32..).zip(bytes[2..].chunks_mut(8)) {
                let mixed = (guess + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(13 * index);
                part.copy_from_slice(&mixed.to_le_bytes()[..part.len()]);
            }
            let mut text = [0; LENGTH];
            URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).unwrap();
            assert_eq!(ring.opener().open(core::str::from_utf8(&text).unwrap()), None, "guess {guess}");
        }
    }

    #[test]
    fn an_old_key_opens_after_a_new_one_seals_and_both_are_in_the_file() {
        let mut ring = KeyRing::generate(&Fixed(1));
        let old = sealed(&ring);
        ring.rotate(&Fixed(2));
        assert_ne!(sealed(&ring), old);
        let read = KeyRing::parse(&ring.format()).unwrap();
        assert_eq!(
            (read.opener().open(&old), read.opener().open(&sealed(&ring))),
            (Some(LEASE), Some(LEASE))
        );
        assert_eq!(read.format(), ring.format());
    }
}
