//! When a writer has nothing to do, and for how long: the next thing that nobody calls for.

use std::sync::Arc;
use std::time::Duration;

use kew_model::{Clock as _, Milliseconds, Timestamp};

use super::{CHECKPOINT_PRESSED, Driver, Progress};
use crate::desk::Work;

/// How long after the last commit the log's end is marked as durable.
const IDLE: Milliseconds = Milliseconds(50);

impl Driver {
    /// How long to wait: until the next lease ends, a delay is over while somebody waits, or the log's end wants
    /// marking.
    pub(crate) fn patience(&mut self) -> Option<Duration> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut desk = shared.desk.lock();
        let work = desk.as_mut()?;
        let wake = self.wakes_at(work, now);
        work.writer_until = wake;
        self.progress.is_restless = false;
        match wake {
            // The state is being noted for a checkpoint.
            Some(at) if at <= now => Some(Duration::ZERO),
            wake => wake.map(|wake| Duration::from_millis(wake.since(now).0)),
        }
    }

    /// When there is something to do next that nobody calls for.
    pub(super) fn wakes_at(&self, work: &Work, now: Timestamp) -> Option<Timestamp> {
        if self.progress.noting.is_some() {
            return Some(now);
        }
        let shard = &work.shard;
        let ripening = shard.state.next_ripening().map(|(at, _)| at);
        let next = ripening.filter(|_| self.shared.signals.any());
        // One that is being written comes to its end by a message.
        let wants_checkpoint =
            !self.progress.checkpoint_running && shard.journal.log_bytes_since_checkpoint() > 0;
        let checkpoint = wants_checkpoint.then(|| {
            let period = Milliseconds(self.options.checkpoint_ms);
            let is_pressed = shard.no_space.is_some() && shard.holds_dead_segments();
            let period = if is_pressed { period.min(CHECKPOINT_PRESSED) } else { period };
            let at = self.progress.checkpoint_at.after(period);
            at.max(self.progress.checkpoint_again_at)
        });
        // What is late already is not tried again and again.
        let soonest = now.after(Milliseconds(1));
        let wake = [shard.next_due(), next, checkpoint].into_iter().flatten().min();
        let mark = shard.journal.wants_mark().then_some(now.after(IDLE));
        [wake.map(|wake| wake.max(soonest)), mark].into_iter().flatten().min()
    }

    /// Whether a turn would do nothing but make durable what was decided: no part of a checkpoint, of a burial or of
    /// cleaning, which may take longer than a sync.
    pub(crate) fn has_nothing_else_to_do(&self) -> bool {
        let now = self.shared.clock.now();
        let Progress { noting, snapshots, .. } = &self.progress;
        let is_clear = |work: &mut Work| {
            let shard = &work.shard;
            !shard.has_more_to_do(now) && !self.progress.wants_checkpoint(shard, &self.options, now)
        };
        noting.is_none() && snapshots.is_empty() && self.shared.desk.lock().as_mut().is_some_and(is_clear)
    }

    /// Whether a writer that sleeps wakes in time for what there is to do next that nobody calls for.
    pub(crate) fn sleeps_short_enough(&self) -> bool {
        let now = self.shared.clock.now();
        self.shared.desk.lock().as_ref().is_none_or(|work| {
            // One that has passed says nothing: a clock that counts a suspend is ahead of a sleep that does not.
            let is_in_time = |wake| work.writer_until.is_some_and(|until| now <= until && until <= wake);
            self.wakes_at(work, now).is_none_or(is_in_time)
        })
    }
}
