//! What of a queue depends on time: its oldest message, and when something becomes available or too old.

use kew_model::{Sequence, Timestamp};

use super::QueueState;
use super::runs::Phase;

/// When a queue's oldest message was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oldest {
    /// There is no message.
    None,
    /// Then.
    At(Timestamp),
    /// It stands where this message lies.
    Unread(Sequence),
}

impl QueueState {
    /// When the message with the lowest sequence was published: known, to be read from where it lies, or none.
    pub(crate) fn oldest(&mut self) -> Oldest {
        if self.backlog_count == 0 {
            return Oldest::None;
        }
        let sequence = Sequence(self.gone.floor());
        let known = self.known.filter(|(of, _)| *of == sequence).map(|(_, sent_at)| sent_at);
        match known.or_else(|| self.sent_at(sequence)) {
            Some(sent_at) => {
                self.known = Some((sequence, sent_at));
                Oldest::At(sent_at)
            }
            None => Oldest::Unread(sequence),
        }
    }

    /// When the oldest message may be too old, at the earliest; `None` when there is no message.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        let period = self.object.settings.message_retention_period;
        (self.backlog_count > 0).then(|| self.aged.after(period))
    }

    /// When time leads to a look at the oldest messages: as soon as they may be too old and the latest look is a while
    /// ago, or a lease ends after that time, since what comes of it depends on which was first.
    pub(crate) fn next_look(&self) -> Option<Timestamp> {
        let lease_end = self.runs.next(Phase::Leased).unwrap_or(Timestamp::NEVER);
        Some(self.expiry()?.max(self.look_after.min(lease_end)))
    }

    /// When a message was published, if anything in memory says so.
    fn sent_at(&self, sequence: Sequence) -> Option<Timestamp> {
        if let Some((_, run)) = self.runs.find(sequence) {
            return Some(run.span(sequence).sent_at);
        }
        let Some(head) = self.window.find(sequence) else { return self.delays.sent_at(sequence) };
        let (batch, _) = head.batch();
        batch.messages().find(|stored| stored.sequence == sequence).map(|stored| stored.sent_at)
    }

    /// The disk said when a message was published.
    pub(crate) fn remember(&mut self, sequence: Sequence, sent_at: Timestamp) {
        self.known = Some((sequence, sent_at));
    }

    /// The first time after `since` at which messages become available; `None` when time alone makes none available.
    pub(crate) fn next_available(&self, since: Timestamp) -> Option<Timestamp> {
        let waiting = self.runs.next_after(Phase::Waiting, since);
        [waiting, self.delays.next_after(since)].into_iter().flatten().min()
    }
}
