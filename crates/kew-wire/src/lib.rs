//! Cloudflare's JSON for queues, as bytes in and bytes out: no sockets, no files, no broker.
//!
//! Requests are read from the body's own bytes into borrowed text and become the nouns of [`kew_model`]; answers are
//! written straight into one buffer. A message body is never turned into a tree: JSON keeps the bytes it came with.
//! What cannot be read becomes a [`Fault`], which names one line of the one table of errors ([`catalogue`]).
//!
//! * [`envelope`]: what surrounds every answer; [`catalogue`] and [`fault`]: what goes wrong, and how it is told;
//! * [`messages`]: push, pull, ack and their relatives; [`redrive`], of Kew's own;
//! * [`queues`] and [`consumers`]: the control plane; [`subscriptions`];
//! * [`lease_id`] and [`reference`](mod@reference): leases and messages as text that nobody can forge;
//! * [`access`]: credentials, who one is, and Kew's own admin calls.
//!
//! Looser than the original, on purpose: any JSON value is a JSON body (unless strict), `bytes` may be pushed as base64,
//! and absent and `null` mean the same for optional fields. Stricter: no number is ever clamped, and a key given twice
//! is refused.

pub mod access;
pub mod backup;
pub mod catalogue;
pub mod consumers;
pub mod envelope;
pub mod fault;
pub mod lease_id;
pub mod messages;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod queues;
pub mod redrive;
pub mod reference;
pub mod subscriptions;

mod entries;
mod fields;
mod keys;
mod text;

pub use catalogue::Kind;
pub use fault::{Fault, NotFound};
pub use text::{rfc3339, timestamp_of};
