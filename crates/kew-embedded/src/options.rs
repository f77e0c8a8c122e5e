//! The store's settings, with their defaults and reasons.

/// How a store keeps its memory and disk.
#[derive(Debug, Clone)]
pub struct Options {
    /// The size of a log segment in bytes, 64 KiB to 1 GiB, fixed when the store is created. 64 MiB: large enough
    /// that changing segments is rare, small enough that space comes back soon.
    pub segment_bytes: u32,
    /// Payload bytes kept in memory for the next pulls, over all queues. 32 MiB: what a few busy queues need to read
    /// nothing back from the disk. What is read for cold pulls may exceed it for some steps, by about 1 MiB for each.
    pub window_bytes: usize,
    /// Bytes of requests that may wait for the writer, the disk or their answer. Beyond it verbs are refused as
    /// overloaded. 64 MiB.
    pub inbox_bytes: usize,
    /// Log bytes after which a checkpoint is written: what a restart has to replay. 256 MiB.
    pub checkpoint_bytes: u64,
    /// Milliseconds after which a checkpoint is written if anything has happened. One minute.
    pub checkpoint_ms: u64,
    /// How many idempotency keys are remembered, over all queues, each for 15 minutes and about 100 bytes of memory. Beyond
    /// it the queues with the most forget their oldest, so that a busy queue takes nothing from the others. Four million.
    pub idempotency_keys: usize,
    /// How much of the state is noted for a checkpoint between two groups of verbs, in pieces that take up to a
    /// microsecond each. A queue takes some, however much it holds. 256.
    pub checkpoint_pieces: usize,
    /// Bytes that must stay free on the volume for pulls and acks; pushes are refused below it. `None`: the lesser of
    /// 1 GiB and 5 % of the volume, and two segments (design §8.13).
    pub reserve_bytes: Option<u64>,
    /// Bytes of the log that may be dead, beside as many as live, before what lives of sparse segments is moved
    /// together. 1 GiB: cleaning costs writes, and most segments die by themselves.
    pub cleaning_slack_bytes: u64,
    /// A bug to run with.
    #[cfg(feature = "mutants")]
    pub mutant: Option<kew_journal::Mutant>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: kew_journal::SEGMENT_BYTES_DEFAULT,
            window_bytes: 32 << 20,
            inbox_bytes: 64 << 20,
            checkpoint_bytes: 256 << 20,
            checkpoint_ms: 60_000,
            idempotency_keys: 4_000_000,
            checkpoint_pieces: 256,
            reserve_bytes: None,
            cleaning_slack_bytes: 1 << 30,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}

impl Options {
    /// What must be free for a push, in bytes.
    pub(crate) fn needed_bytes(&self, space: kew_journal::Space) -> u64 {
        self.reserve_bytes.unwrap_or_else(|| {
            let share = (space.total_bytes / 20).min(1 << 30);
            share + 2 * u64::from(self.segment_bytes)
        })
    }
}
