//! Texts that carry a right or a moment: lease ids, refs, credentials, dates, key files.

use kew_model::{Chance, Lease, QueueNumber, Sequence};
use kew_wire::access::Credential;
use kew_wire::lease_id::{self, KeyRing};
use kew_wire::reference::{self, Reference};
use kew_wire::{rfc3339, timestamp_of};

/// Characters that an altered id may be given: those of ids, and some that are none.
const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \n\0";

/// Bytes that are always the same, so that the corpus can hold genuine ids.
struct Fixed(u8);

impl Chance for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// The ring of every search: an old key, and a new one that seals.
pub(crate) fn key_ring() -> KeyRing {
    let mut keys = KeyRing::generate(&Fixed(1));
    keys.rotate(&Fixed(2));
    keys
}

/// The id of a lease under the newest key of a ring.
fn sealed(keys: &KeyRing, lease: Lease) -> String {
    keys.sealer().seal(lease, &mut [0; lease_id::LENGTH]).to_owned()
}

/// The only two texts that may open a lease: its ids under the new and the old key.
pub(crate) fn ids_of(lease: Lease) -> [String; 2] {
    [key_ring(), KeyRing::generate(&Fixed(1))].map(|keys| sealed(&keys, lease))
}

/// The only two texts that may open a ref.
pub(crate) fn refs_of(message: Reference) -> [String; 2] {
    let seal = |keys: KeyRing| keys.seal_reference(message, &mut [0; reference::LENGTH]).to_owned();
    [key_ring(), KeyRing::generate(&Fixed(1))].map(seal)
}

/// Any text: what opens is, character for character, what the ring seals for that lease or message.
///
/// # Panics
/// When a property is broken.
pub fn sealed_text(input: &[u8]) {
    let keys = key_ring();
    let Ok(text) = core::str::from_utf8(input) else { return };
    if let Some(lease) = keys.opener().open(text) {
        assert!(ids_of(lease).iter().any(|id| id == text), "{text} is a forgery");
    }
    if let Some(message) = keys.open_reference(text) {
        assert!(refs_of(message).iter().any(|id| id == text), "{text} is a forgery");
    }
}

/// A genuine lease id and a genuine ref, altered: they open no more, whatever was altered, nor the one as the other.
///
/// The first 20 bytes are the lease; each further pair changes one character, adds one, or takes one away.
///
/// # Panics
/// When a property is broken.
pub fn altered_text(input: &[u8]) {
    let Some((numbers, edits)) = input.split_first_chunk::<20>() else { return };
    let keys = key_ring();
    let (queue, message) =
        (QueueNumber(u32::from_be_bytes(part(numbers, 0))), Sequence(u64::from_be_bytes(part(numbers, 4))));
    let lease = Lease { queue, message, fence: u64::from_be_bytes(part(numbers, 12)) };
    let [id, _] = ids_of(lease);
    let altered_id = altered(&id, edits);
    let opened = keys.opener().open(&altered_id);
    assert_eq!(opened, (altered_id == id).then_some(lease), "{altered_id} is not {id}");
    let seen = Reference { queue, message };
    let [text, _] = refs_of(seen);
    let altered_text = altered(&text, edits);
    let opened = keys.open_reference(&altered_text);
    assert_eq!(opened, (altered_text == text).then_some(seen), "{altered_text} is not {text}");
    assert!(keys.open_reference(&altered_id).is_none() && keys.opener().open(&altered_text).is_none());
}

fn altered(text: &str, edits: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (place, edit) in edits.chunks_exact(2).map(|pair| (usize::from(pair[0]), usize::from(pair[1]))) {
        let place = place % (bytes.len() + 1);
        let character = CHARACTERS[edit % CHARACTERS.len()];
        match (place < bytes.len(), edit / CHARACTERS.len()) {
            (true, 0 | 1) => bytes[place] = character,
            (true, 2) => drop(bytes.remove(place)),
            _ => bytes.insert(place, character),
        }
    }
    String::from_utf8(bytes).expect("every character is ASCII")
}

fn part<const N: usize>(bytes: &[u8; 20], start: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[start..start + N]);
    part
}

/// Any text as a token: an id is found only where the text says that id.
///
/// # Panics
/// When a property is broken.
pub fn credential(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else { return };
    let Some(id) = Credential::id_in(text) else { return };
    assert!(text.to_ascii_lowercase().starts_with(&format!("kew_{id}_")), "{text:?} does not say {id}");
}

/// Any text as a moment: what is read is written and read again as the same.
///
/// # Panics
/// When a property is broken.
pub fn moment(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else { return };
    let Some(moment) = timestamp_of(text) else { return };
    assert_eq!(timestamp_of(&rfc3339(moment)), Some(moment), "{text:?}");
}

/// Any text as a key file: a ring that is read is written and read again as the same, and seals.
///
/// # Panics
/// When a property is broken.
pub fn key_file(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else { return };
    let Ok(keys) = KeyRing::parse(text) else { return };
    let again = KeyRing::parse(&keys.format()).expect("what was written is read");
    assert_eq!(again.format(), keys.format());
    let lease = Lease { queue: QueueNumber(1), message: Sequence(2), fence: 3 };
    assert_eq!(again.opener().open(&sealed(&keys, lease)), Some(lease));
}
