//! Lease ids: a [`Lease`] as text that only this server can have written.
//!
//! A lease id is 51 characters of base64url over 38 bytes: version, key id, queue number, sequence, fence, and a
//! 128-bit MAC of these (design §8.10). The MAC is a piece of the output of keyed BLAKE3, a pseudorandom function: one
//! call gives 64 bytes, which are the MACs of four neighbouring sequences of one delivery. A pull's leases are
//! neighbours, so a [`Sealer`] and an [`Opener`] keep the last 64 bytes and call it once for four ids. It holds all that a settlement needs, so that it can be judged
//! after a restart and after the message is gone, and no deadline, so that it stays the same when the lease is
//! extended. Keys form a ring: the newest seals, all open, so that a key can be changed while leases are out.
//!
//! Invariants: an id that a client altered in any bit opens nothing, and how long that takes to find does not depend
//! on which bit it was; sealing and opening allocate nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kew_model::{Chance, Lease, QueueNumber, Sequence};

/// The length of a lease id, in characters.
pub const LENGTH: usize = 51;

const VERSION: u8 = 1;
const PLAIN: usize = 1 + 1 + 4 + 8 + 8;
const MAC: usize = 16;
/// How many sequences share one call: as many MACs as fit one output block.
const NEIGHBOURS: u64 = 4;
const SEALED: usize = PLAIN + MAC;
/// What sets these MACs apart from any other made from the same key; never changes.
const DOMAIN: &str = "kew 2026-11 lease id v1";
/// The first line of the key file.
const HEADER: &str = "kew-keys 1";

/// The keys that seal lease ids.
///
/// The text form is kept in a file that only its owner may read; the same text opens the same leases elsewhere, so it
/// belongs into backups.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: u8,
    secret: [u8; 32],
    /// The key of the lease ids' own domain, made from `secret`.
    sealing: [u8; 32],
}

/// The text is no key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// The first line is not `kew-keys 1`.
    #[error("the key file does not begin with \"{HEADER}\": it is damaged or from a newer version")]
    Header,
    /// A line is not `ID KEY`, or an id stands twice.
    #[error("line {0} of the key file is not an unused id from 0 to 255 and 64 hexadecimal digits")]
    Line(usize),
    /// There is no key.
    #[error("the key file holds no key")]
    Empty,
}

impl KeyRing {
    /// A ring with one fresh key.
    pub fn generate(chance: &dyn Chance) -> Self {
        let mut secret = [0; 32];
        chance.fill(&mut secret);
        Self { keys: vec![Key::new(0, secret)] }
    }

    /// Adds a fresh key, which seals from now on. The others go on opening; the oldest is dropped when all 256 ids
    /// are taken.
    pub fn rotate(&mut self, chance: &dyn Chance) {
        let mut secret = [0; 32];
        chance.fill(&mut secret);
        let newest = self.newest().id;
        if self.keys.len() > usize::from(u8::MAX) {
            self.keys.remove(0);
        }
        self.keys.push(Key::new(newest.wrapping_add(1), secret));
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyRingError`]; none shows any of the file's text.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(KeyRingError::Header);
        }
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let key = Key::parse(line).filter(|key| keys.iter().all(|other| other.id != key.id));
            keys.push(key.ok_or(KeyRingError::Line(index + 1))?);
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self { keys }) }
    }

    /// The key file's text: a line that names the format, then a line `ID KEY` for each key, the newest last.
    pub fn format(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for key in &self.keys {
            let hex = blake3::Hash::from_bytes(key.secret).to_hex();
            text.push_str(&format!("{} {}\n", key.id, hex.as_str()));
        }
        text
    }

    /// Seals leases, neighbours cheaply.
    pub fn sealer(&self) -> Sealer<'_> {
        Sealer { mac: Mac::new(self.newest()) }
    }

    /// Opens lease ids, neighbours cheaply.
    pub fn opener(&self) -> Opener<'_> {
        Opener { ring: self, mac: Mac::new(self.newest()) }
    }

    fn newest(&self) -> &Key {
        self.keys.last().expect("a ring is made with a key, and none is taken from it but for a newer")
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
        bytes[PLAIN..].copy_from_slice(self.mac.of(lease));
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
            self.mac = Mac::new(self.ring.keys.iter().find(|key| key.id == bytes[1])?);
        }
        let lease = Lease {
            queue: QueueNumber(u32::from_be_bytes(part(&bytes, 2))),
            message: Sequence(u64::from_be_bytes(part(&bytes, 6))),
            fence: u64::from_be_bytes(part(&bytes, 14)),
        };
        (padded(self.mac.of(lease)) == padded(&bytes[PLAIN..])).then_some(lease)
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

    fn of(&mut self, lease: Lease) -> &[u8] {
        let first = Lease { message: Sequence(lease.message.0 / NEIGHBOURS), ..lease };
        if self.neighbours != Some(first) {
            let mut input = [0; PLAIN];
            (input[0], input[1]) = (VERSION, self.key.id);
            input[2..6].copy_from_slice(&first.queue.0.to_be_bytes());
            input[6..14].copy_from_slice(&first.message.0.to_be_bytes());
            input[14..22].copy_from_slice(&first.fence.to_be_bytes());
            let mut hasher = blake3::Hasher::new_keyed(&self.key.sealing);
            hasher.update(&input).finalize_xof().fill(&mut self.block);
            self.neighbours = Some(first);
        }
        let start = usize::try_from(lease.message.0 % NEIGHBOURS).unwrap_or(0) * MAC;
        &self.block[start..start + MAC]
    }
}

impl core::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyRing({} keys, …)", self.keys.len())
    }
}

impl Key {
    fn new(id: u8, secret: [u8; 32]) -> Self {
        Self { id, secret, sealing: blake3::derive_key(DOMAIN, &secret) }
    }

    fn parse(line: &str) -> Option<Self> {
        let (id, secret) = line.split_once(' ')?;
        let secret = blake3::Hash::from_hex(secret).ok()?;
        Some(Self::new(id.parse().ok()?, *secret.as_bytes()))
    }
}

/// A MAC as a value whose comparison takes the same time wherever two differ.
fn padded(mac: &[u8]) -> blake3::Hash {
    let mut bytes = [0; 32];
    bytes[..MAC].copy_from_slice(mac);
    blake3::Hash::from_bytes(bytes)
}

/// `N` bytes from `start`.
fn part<const N: usize>(bytes: &[u8; SEALED], start: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[start..start + N]);
    part
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_ring_can_be_changed_more_often_than_there_are_ids() {
        let mut ring = KeyRing::generate(&Fixed(1));
        for round in 0..=255_u8 {
            ring.rotate(&Fixed(round));
        }
        assert_eq!(ring.keys.len(), 256);
        assert_eq!(KeyRing::parse(&ring.format()).unwrap().opener().open(&sealed(&ring)), Some(LEASE));
    }

    #[test]
    fn damaged_key_files_are_refused_without_showing_keys() {
        let key = "ab".repeat(32);
        assert_eq!(KeyRing::parse("").unwrap_err(), KeyRingError::Header);
        assert_eq!(KeyRing::parse("kew-keys 2\n").unwrap_err(), KeyRingError::Header);
        assert_eq!(KeyRing::parse("kew-keys 1\n").unwrap_err(), KeyRingError::Empty);
        for line in
            [format!("256 {key}"), format!("0 {}", &key[1..]), key.clone(), format!("0 {key}\n0 {key}")]
        {
            let error = KeyRing::parse(&format!("kew-keys 1\n{line}\n")).unwrap_err();
            assert!(matches!(error, KeyRingError::Line(2 | 3)), "{line}");
            assert!(!error.to_string().contains("abab"));
        }
        assert!(!format!("{:?}", KeyRing::generate(&Fixed(0xab))).contains("abab"));
    }
}
