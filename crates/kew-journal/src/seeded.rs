//! Seeded bugs: small deliberate mistakes, which the suites must notice, or prove nothing.
//!
//! They are there in builds with the feature `mutants` only, which is for tests. Elsewhere [`is`] is a constant, and
//! nothing of them is left. A bug is planted for the thread that plants it: tests run the store without threads, so that
//! each has its own.

/// A mistake, in the words of who would make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// One sync in five is skipped.
    SkipSync,
    /// A group is synced together with the next one, and answered before.
    SyncOneLate,
    /// A failed write counts as written.
    SwallowWriteError,
    /// A failed sync counts as done.
    SwallowSyncError,
    /// A failed sync is tried again, and the second answer believed.
    RetrySync,
    /// Fewer bytes than asked for count as all.
    BelieveShortWrite,
    /// A new segment is used before its name is durable.
    SkipFolderSync,
    /// A new segment's header is not synced before the file gets its name.
    SkipHeaderSync,
    /// A spare is overwritten before its old name is gone for good.
    RecycleTooEarly,
    /// Frames call themselves durable.
    ClaimTooMuch,
    /// What calls later payloads durable is not looked at.
    IgnoreClaims,
    /// The unproven tail is served where it lies.
    ServeUnprovenTail,
    /// A segment's frames are intact in any other, too.
    ForgetSegmentInChecksum,
    /// The checksum of a frame's payload is not compared.
    TrustPayload,
    /// The checksum of a checkpoint is not compared.
    TrustCheckpoint,
    /// A checkpoint gets its name before it is synced.
    SkipCheckpointSync,
    /// The older checkpoints go before the new one is there.
    UnlinkBeforeCheckpoint,
    /// A group counts as durable before those in front of it do.
    LandTooEarly,
    /// A segment is begun before everything in front of it is synced.
    BeginTooEarly,
    /// A segment is freed though no checkpoint covers it.
    FreeUncovered,
    /// A segment is freed though something in it lives.
    FreeAlive,
    /// Answers leave before their group is committed.
    AnswerBeforeSync,
    /// A delivery gets the number of the one before.
    ReuseLeaseNumber,
    /// A second delivery counts as the first.
    ForgetAttempt,
    /// One delivery too many is allowed.
    OneRetryTooMany,
    /// A lease ends a millisecond late.
    LeaseEndsLate,
    /// A delay is over a millisecond early.
    DelayEndsEarly,
    /// Retention counts from when a message was published, not from when it came.
    RetentionByPublishing,
    /// An old lease gives a message back that was delivered again.
    HonourOldLease,
    /// A retry forgets its delay.
    ForgetRetryDelay,
    /// A purge leaves delivered messages.
    PurgeForgetsDelivered,
    /// A paused queue delivers.
    IgnorePause,
    /// A repeated push is carried out again.
    IgnoreIdempotency,
    /// A checkpoint lacks the messages that were delivered.
    CheckpointForgetsDelivered,
    /// A checkpoint lacks idempotency keys.
    CheckpointForgetsKeys,
    /// A queue in a checkpoint claims frames that came after it was noted.
    CheckpointClaimsTooMuch,
    /// An acknowledged message is not remembered as gone.
    ForgetAck,
}

impl Bug {
    /// Those that show in the log's own worlds sooner than in those of a whole store.
    pub const OF_THE_LOG: [Self; 5] = [
        Self::RecycleTooEarly,
        Self::UnlinkBeforeCheckpoint,
        Self::FreeUncovered,
        Self::BeginTooEarly,
        Self::LandTooEarly,
    ];

    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::SkipSync,
        Self::SyncOneLate,
        Self::SwallowWriteError,
        Self::SwallowSyncError,
        Self::RetrySync,
        Self::BelieveShortWrite,
        Self::SkipFolderSync,
        Self::SkipHeaderSync,
        Self::RecycleTooEarly,
        Self::ClaimTooMuch,
        Self::IgnoreClaims,
        Self::ServeUnprovenTail,
        Self::ForgetSegmentInChecksum,
        Self::TrustPayload,
        Self::TrustCheckpoint,
        Self::SkipCheckpointSync,
        Self::UnlinkBeforeCheckpoint,
        Self::LandTooEarly,
        Self::BeginTooEarly,
        Self::FreeUncovered,
        Self::FreeAlive,
        Self::AnswerBeforeSync,
        Self::ReuseLeaseNumber,
        Self::ForgetAttempt,
        Self::OneRetryTooMany,
        Self::LeaseEndsLate,
        Self::DelayEndsEarly,
        Self::RetentionByPublishing,
        Self::HonourOldLease,
        Self::ForgetRetryDelay,
        Self::PurgeForgetsDelivered,
        Self::IgnorePause,
        Self::IgnoreIdempotency,
        Self::CheckpointForgetsDelivered,
        Self::CheckpointForgetsKeys,
        Self::CheckpointClaimsTooMuch,
        Self::ForgetAck,
    ];
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether this mistake is made on this thread.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this mistake is made: never, in a build that is not for the tests that look for it.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

/// A bug that is there as long as this is.
#[cfg(feature = "mutants")]
#[derive(Debug)]
pub struct Planted(());

/// Plants a bug for this thread.
#[cfg(feature = "mutants")]
#[must_use]
pub fn plant(bug: Bug) -> Planted {
    PLANTED.set(Some(bug));
    Planted(())
}

#[cfg(feature = "mutants")]
impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}
