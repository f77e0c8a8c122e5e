//! What bad input may not do to Kew, searched for with feedback from coverage; never shipped.
//!
//! A [`Target`] takes any bytes, gives them to one door of the product, and panics when what comes of them breaks a
//! property. That nothing panics is the least of these: what is taken obeys every limit and means what the same bytes
//! mean to an independent reader, what is refused names a row of the table that this door may name and points at a
//! place that is in the request ([`refusal`]), and what opens was sealed here.
//!
//! * [`messages`], [`sealed`], [`control`] and [`admin`]: each request body, by the function of `kew-wire` that reads it;
//! * [`texts`]: lease ids, refs, credentials, moments, key files;
//! * [`connection`]: bytes as they come over a socket, and the query of a list, put to a whole server.
//!
//! Whether reading takes time in proportion to the input is seen by stretching: one input in 64 is blown up to
//! [`INPUT_BYTES_MAX`] by repeating a piece of it, and a reader that is not linear then runs into the search's limit
//! of time for one input. Invariant: a target's outcome depends on its input alone, so that a crash can be repeated.

pub mod admin;
pub mod connection;
pub mod control;
pub mod messages;
pub mod refusal;
mod request;
pub mod sealed;
mod stretch;
pub mod texts;

/// The longest input, in bytes.
pub const INPUT_BYTES_MAX: usize = 256 * 1024;

/// One door, and what must hold behind it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the function in `kew-wire` where there is one, and of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics when the input breaks a property.
    check: fn(&[u8]),
    /// Whether long inputs say something about it.
    stretches: bool,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    reader("read_push", messages::push),
    reader("read_batch", messages::batch),
    reader("read_pull", messages::pull),
    reader("read_peek", messages::peek),
    reader("read_redrive", messages::redrive),
    reader("idempotency", messages::idempotency_key),
    reader("read_settlement", sealed::settlement),
    reader("read_extend", sealed::extend),
    reader("read_references", sealed::references),
    reader("read_preview_settlement", sealed::preview_settlement),
    reader("read_new_queue", control::new_queue),
    reader("read_change", control::change),
    reader("read_replacement", control::replacement),
    reader("read_purge", control::purge),
    reader("read_new_consumer", control::new_consumer),
    reader("read_new_subscription", control::new_subscription),
    reader("read_subscription_change", control::subscription_change),
    reader("read_new_account", admin::new_account),
    reader("read_new_token", admin::new_token),
    reader("sealed_text", texts::sealed_text),
    short("altered_text", texts::altered_text),
    reader("credential", texts::credential),
    reader("moment", texts::moment),
    reader("key_file", texts::key_file),
    short("list_query", connection::list_query),
    short("connection", connection::bytes),
];

const fn reader(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check, stretches: true }
}

const fn short(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check, stretches: false }
}

impl Target {
    /// The target of this name.
    pub fn find(name: &str) -> Option<Self> {
        TARGETS.iter().copied().find(|target| target.name == name)
    }

    /// Puts an input to the target, now and then also a long one that is made from it.
    ///
    /// # Panics
    /// When a property is broken.
    pub fn run(self, input: &[u8]) {
        (self.check)(input);
        if self.stretches
            && let Some(long) = stretch::long(input, INPUT_BYTES_MAX)
        {
            (self.check)(&long);
        }
    }
}
