//! The keys that seal what this server hands out and takes back: lease ids and refs.
//!
//! Keys form a ring: the newest seals, all open, so that a key can be changed while leases are out. Each purpose has a
//! key of its own, made from the file's key under the purpose's name, so that what is sealed for one opens nothing for
//! another (design §8.10).
//!
//! The file ends with a checksum: a key that had changed by a digit would still be one, and open nothing that was given out.
//!
//! Invariants: a ring is never empty; no text of an error and no debugging output shows a key.

use kew_model::Chance;

/// What sets the MACs of lease ids apart from any other made from the same key; never changes.
const LEASES: &str = "kew 2026-11 lease id v1";
/// The same for refs.
const REFERENCES: &str = "kew 2026-11 message reference v1";
/// The first line of the key file.
const HEADER: &str = "kew-keys 2";
/// The first line of a key file of the first version, which had no checksum.
const HEADER_1: &str = "kew-keys 1";
/// What the last line begins with.
const CHECK: &str = "check ";
/// Bytes of a MAC.
pub(crate) const MAC: usize = 16;

/// The keys that seal lease ids and refs.
///
/// The text form is kept in a file that only its owner may read; the same text opens the same leases elsewhere, so it
/// belongs into backups.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

/// One key of a ring.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: u8,
    secret: [u8; 32],
    /// The key of lease ids, made from `secret`.
    pub(crate) leases: [u8; 32],
    /// The key of refs, made from `secret`.
    pub(crate) references: [u8; 32],
}

/// The text is no key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// The first line is not `kew-keys 2`, nor `kew-keys 1`.
    #[error("the key file does not begin with \"{HEADER}\": it is damaged or from a newer version")]
    Header,
    /// The last line is no checksum of all before it.
    #[error("the key file does not end with the checksum of its lines: it is damaged or cut short")]
    Check,
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

    /// Reads a key file, also one of the first version, in which a digit that has changed goes unnoticed.
    ///
    /// # Errors
    /// [`KeyRingError`]; none shows any of the file's text.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let text = match text.lines().next() {
            Some(HEADER) => checked(text).ok_or(KeyRingError::Check)?,
            Some(HEADER_1) => text,
            _ => return Err(KeyRingError::Header),
        };
        let lines = text.lines().enumerate().skip(1);
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let key = Key::parse(line).filter(|key| keys.iter().all(|other| other.id != key.id));
            keys.push(key.ok_or(KeyRingError::Line(index + 1))?);
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self { keys }) }
    }

    /// The key file's text: a line that names the format, then a line `ID KEY` for each key, the newest last, then a
    /// checksum of these lines.
    pub fn format(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for key in &self.keys {
            let hex = blake3::Hash::from_bytes(key.secret).to_hex();
            text.push_str(&format!("{} {}\n", key.id, hex.as_str()));
        }
        let check = blake3::hash(text.as_bytes());
        text.push_str(&format!("{CHECK}{}\n", check.to_hex()));
        text
    }

    /// The key that an id in a sealed text names.
    pub(crate) fn find(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The key that seals.
    pub(crate) fn newest(&self) -> &Key {
        self.keys.last().expect("a ring is made with a key, and none is taken from it but for a newer")
    }
}

impl core::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyRing({} keys, …)", self.keys.len())
    }
}

impl Key {
    fn new(id: u8, secret: [u8; 32]) -> Self {
        let leases = blake3::derive_key(LEASES, &secret);
        let references = blake3::derive_key(REFERENCES, &secret);
        Self { id, secret, leases, references }
    }

    fn parse(line: &str) -> Option<Self> {
        let (id, secret) = line.split_once(' ')?;
        let secret = blake3::Hash::from_hex(secret).ok()?;
        Some(Self::new(id.parse().ok()?, *secret.as_bytes()))
    }
}

/// What stands before the last line, if that is the checksum of it.
fn checked(text: &str) -> Option<&str> {
    let at = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (before, last) = text.split_at(at);
    let check = blake3::hash(before.as_bytes());
    (last.strip_prefix(CHECK)?.strip_suffix('\n')? == check.to_hex().as_str()).then_some(before)
}

/// Whether two MACs are the same; how long that takes to tell does not depend on where they differ.
pub(crate) fn is_same_mac(one: &[u8; MAC], other: &[u8; MAC]) -> bool {
    let padded = |mac: &[u8; MAC]| {
        let mut bytes = [0; 32];
        bytes[..MAC].copy_from_slice(mac);
        blake3::Hash::from_bytes(bytes)
    };
    padded(one) == padded(other)
}

/// `N` bytes from `start`.
///
/// # Panics
/// When there are fewer.
pub(crate) fn part<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
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

    #[test]
    fn a_ring_can_be_changed_more_often_than_there_are_ids() {
        let mut ring = KeyRing::generate(&Fixed(1));
        for round in 0..=255_u8 {
            ring.rotate(&Fixed(round));
        }
        assert_eq!(ring.keys.len(), 256);
        let read = KeyRing::parse(&ring.format()).unwrap();
        assert_eq!((read.newest().id, read.newest().secret), (0, [255; 32]));
    }

    #[test]
    fn damaged_key_files_are_refused_without_showing_keys() {
        let key = "ab".repeat(32);
        assert_eq!(KeyRing::parse("").unwrap_err(), KeyRingError::Header);
        assert_eq!(KeyRing::parse("kew-keys 3\n").unwrap_err(), KeyRingError::Header);
        assert_eq!(KeyRing::parse("kew-keys 2\n").unwrap_err(), KeyRingError::Check);
        assert_eq!(KeyRing::parse("kew-keys 1\n").unwrap_err(), KeyRingError::Empty);
        for line in
            [format!("256 {key}"), format!("0 {}", &key[1..]), key.clone(), format!("0 {key}\n0 {key}")]
        {
            let error = KeyRing::parse(&format!("kew-keys 1\n{line}\n")).unwrap_err();
            assert!(matches!(error, KeyRingError::Line(2 | 3)), "{line}");
            assert!(!error.to_string().contains("abab"));
        }
    }

    #[test]
    fn a_key_file_that_has_changed_anywhere_is_refused() {
        let mut ring = KeyRing::generate(&Fixed(0x1f));
        ring.rotate(&Fixed(0xa0));
        let text = ring.format();
        let secrets = |ring: &KeyRing| ring.keys.iter().map(|key| (key.id, key.secret)).collect::<Vec<_>>();
        assert_eq!(secrets(&KeyRing::parse(&text).unwrap()), secrets(&ring));
        for at in 0..text.len() {
            assert!(KeyRing::parse(&text[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let read = String::from_utf8(bytes).ok().and_then(|text| KeyRing::parse(&text).ok());
                assert!(read.is_none(), "byte {at}, bit {bit}");
            }
        }
        assert!(KeyRing::parse(&format!("{text}\n")).is_err());
    }

    #[test]
    fn a_key_file_of_the_first_version_is_read() {
        let text = format!("kew-keys 1\n3 {}\n", "ab".repeat(32));
        let ring = KeyRing::parse(&text).unwrap();
        assert_eq!((ring.newest().id, ring.newest().secret), (3, [0xab; 32]));
    }

    #[test]
    fn a_ring_shows_how_many_keys_it_has_and_nothing_of_them() {
        let mut ring = KeyRing::generate(&Fixed(0xab));
        ring.rotate(&Fixed(0xcd));
        assert_eq!(format!("{ring:?}"), "KeyRing(2 keys, …)");
    }
}
