//! One connection's progress, and how long each part of it may take.
//!
//! The stream, the request and the connection's own task share this. Where a connection stands is noted when it moves on;
//! the deadline is only looked at by the connection's one timer. So a request sets no timer of its own.
//!
//! ```text
//!   IDLE ──first byte──▶ HEADERS ──headers end──▶ BODY ──body ends──▶ WORK ──answer──▶ WRITING ──flushed──▶ IDLE
//!                                                             nothing there ▼ ▲ news, or the wait is over
//!                                                                          WAITING
//! ```

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use kew_model::Limits;
use tokio::time::Instant;

use crate::settings::Settings;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No request is there.
    Idle,
    /// A request has begun.
    Headers,
    /// Its headers are complete.
    Body,
    /// Its body is complete.
    Work,
    /// It waits for messages, for as long as it asked.
    Waiting,
    /// Its answer is on the way.
    Writing,
    /// The connection is closed on this side, and what still comes is thrown away.
    Lingering,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Idle, Self::Headers, Self::Body, Self::Work, Self::Waiting, Self::Writing, Self::Lingering];
}

/// The longest wait that a pull may ask for.
const WAIT_MAX: Duration = Duration::from_millis(*Limits::PULL_WAIT_MS.end());

/// How long to listen to a client that was answered before it had sent everything: a connection closed under it would
/// lose the answer.
const LINGER: Duration = Duration::from_secs(2);

/// The progress of one connection. Only its own task touches it; atomics make it shareable with
/// hyper's parts of the task.
#[derive(Debug)]
pub(crate) struct Watch {
    opened: Instant,
    phase: AtomicU8,
    since_ms: AtomicU64,
    wrote: AtomicBool,
    stalled: AtomicBool,
    expired: AtomicBool,
    wait_begun: AtomicBool,
    wait_ended: AtomicBool,
    /// Some of a request was handed on, and not all of it.
    is_within: AtomicBool,
    /// How many requests were handed on to their end, less the answers.
    unanswered: AtomicI32,
    has_waited: AtomicBool,
    unread: AtomicBool,
    known: AtomicBool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since_ms: AtomicU64::new(0),
            wrote: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            wait_begun: AtomicBool::new(false),
            wait_ended: AtomicBool::new(false),
            is_within: AtomicBool::new(false),
            unanswered: AtomicI32::new(0),
            has_waited: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            known: AtomicBool::new(false),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    /// Moves on, now.
    pub(crate) fn enter(&self, phase: Phase) {
        if self.phase() == Phase::Waiting {
            self.wait_ended.store(true, Relaxed);
            self.has_waited.store(true, Relaxed);
        }
        if phase == Phase::Waiting {
            self.wait_begun.store(true, Relaxed);
        }
        self.touch();
        self.phase.store(phase as u8, Relaxed);
        self.wrote.store(false, Relaxed);
    }

    /// Moves on in the same deadline's count.
    pub(crate) fn continue_as(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Counts from now: there was progress.
    fn touch(&self) {
        let elapsed = self.opened.elapsed().as_millis();
        self.since_ms.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Relaxed);
    }

    /// Bytes of an answer were taken. After a pause its reader has the whole time again.
    pub(crate) fn note_written(&self) {
        self.wrote.store(true, Relaxed);
        if self.stalled.load(Relaxed) && self.stalled.swap(false, Relaxed) {
            self.touch();
        }
    }

    /// No bytes of an answer are taken at the moment.
    pub(crate) fn note_stalled(&self) {
        self.stalled.store(self.phase() == Phase::Writing, Relaxed);
    }

    /// All bytes were taken; when they were an answer's, the connection is idle again, which it says.
    pub(crate) fn note_flushed(&self) -> bool {
        let is_answered = self.phase() == Phase::Writing && self.wrote.load(Relaxed);
        if is_answered {
            self.continue_as(Phase::Idle);
            self.unanswered.fetch_sub(1, Relaxed);
        }
        is_answered
    }

    /// Bytes of a request were handed on, up to its end or not.
    pub(crate) fn note_handed(&self, is_end: bool) {
        self.is_within.store(!is_end, Relaxed);
        self.unanswered.fetch_add(i32::from(is_end), Relaxed);
    }

    /// Whether a request was handed on to its end and is not answered.
    pub(crate) fn is_in_hand(&self) -> bool {
        self.unanswered.load(Relaxed) > 0
    }

    /// Whether all that was handed on is answered, and nothing of a request is there. One may be answered before its end,
    /// which then is still to come.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase() == Phase::Idle && self.unanswered.load(Relaxed) == 0 && !self.is_within.load(Relaxed)
    }

    /// The request in hand has run out of time.
    pub(crate) fn expire(&self) {
        self.expired.store(true, Relaxed);
    }

    /// Whether the request in hand has run out of time; says so once.
    pub(crate) fn take_expired(&self) -> bool {
        self.expired.load(Relaxed) && self.expired.swap(false, Relaxed)
    }

    /// Whether the request has begun to wait, so that it matters who has left meanwhile; says so once.
    pub(crate) fn take_wait_begun(&self) -> bool {
        self.wait_begun.load(Relaxed) && self.wait_begun.swap(false, Relaxed)
    }

    /// Whether the request has ended to wait, so that shorter deadlines count again; says so once.
    pub(crate) fn take_wait_ended(&self) -> bool {
        self.wait_ended.load(Relaxed) && self.wait_ended.swap(false, Relaxed)
    }

    /// Whether the request in hand has waited for messages; says so once.
    pub(crate) fn take_has_waited(&self) -> bool {
        self.has_waited.load(Relaxed) && self.has_waited.swap(false, Relaxed)
    }

    /// The request is answered though its body was not read to the end.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether a request was answered before its body's end.
    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Somebody with the right to it has made a request.
    pub(crate) fn become_known(&self) {
        self.known.store(true, Relaxed);
    }

    /// Whether a request was ever made here by somebody with the right to it.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Relaxed)
    }

    /// When this phase ends at the latest.
    pub(crate) fn deadline(&self, settings: &Settings) -> Instant {
        let allowed = match self.phase() {
            Phase::Idle => settings.idle_timeout,
            Phase::Headers => settings.header_timeout,
            Phase::Body => settings.body_timeout,
            Phase::Work => settings.request_timeout,
            // The wait ends by itself before this.
            Phase::Waiting => WAIT_MAX + settings.request_timeout,
            Phase::Writing => settings.write_timeout,
            Phase::Lingering => LINGER,
        };
        self.opened + Duration::from_millis(self.since_ms.load(Relaxed)) + allowed
    }
}
