//! A durable log of opaque bytes.
//!
//! The promise: payloads come back byte for byte and in order, or the caller is told where and why not; after
//! [`Committer::commit`] returned they survive kills and power cuts; after an error nothing more is accepted.
//! The crate knows nothing of queues, starts no thread, and never looks at a clock.
//!
//! [`open`] replays a store and hands out its parts: the [`Journal`] stages payloads in the caller's own buffers,
//! the [`Committer`] makes groups of them durable by one write and one sync, the [`Preparer`] works ahead so that
//! the sync meets blocks that exist, the [`Reader`] reads back, and a [`CheckpointWriter`] lets old segments go.
//! The parts may live on different threads. Everything they do to files goes through [`Disk`].
//!
//! The bytes on disk, the rules of recovery, and the numbered invariants (J1 …) that asserts refer to are in
//! docs/format-journal.md.

mod checkpoint;
mod committer;
mod disk;
mod error;
mod examine;
mod frame;
mod handles;
mod index;
mod journal;
mod landings;
mod options;
mod pool;
mod position;
mod preparer;
mod reader;
mod recovery;
mod scan;
#[doc(hidden)]
pub mod seeded;
mod segment;
mod shared;
mod snapshot;
mod standing;
mod store_file;

pub use checkpoint::{CheckpointWriter, Cut};
pub use committer::{Committer, FLIGHTS_MAX, Flight, Group, Landing};
#[cfg(any(test, feature = "test-util"))]
pub use disk::sim::{Fault, Loss, OperationKind, SimDisk};
pub use disk::{Disk, DiskFile, FolderLock, Overlay, RealDisk, Space};
pub use error::Error;
pub use examine::{CheckpointSeen, Examination, Examiner, Finding, examine};
pub use frame::{Frame, FrameBuffer};
pub use journal::{Journal, Staged};
#[cfg(feature = "mutants")]
pub use options::Mutant;
pub use options::{Options, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use position::{Lsn, Position, SegmentId, SegmentInfo};
pub use preparer::{Preparer, Step};
pub use reader::Reader;
pub use recovery::{Opened, RecoveryReport, Replay, open};
pub use snapshot::Snapshot;
pub use standing::Standing;
