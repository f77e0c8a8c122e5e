//! Verbs and burials that wait for the disk.
//!
//! What was read comes back as an input, and whoever waited is decided again. A read that the operating system refused
//! fails those who waited for it, and nothing has happened: the next to ask tries anew. Damage ends the store, with
//! the file, the place and the queue, since what was answered for cannot be delivered any more. A read that brings
//! nothing of use is tried once again and no more, so that nobody goes round for ever.

use kew_model::{Error, QueueNumber, Timestamp};

use super::{Shard, broken};
use crate::command::{Command, Verb};
use crate::decide::loaded::Loaded;
use crate::fetch::{Fetch, Fetched, Purpose};
use crate::queue::window::Head;

impl Shard {
    /// Keeps a verb until what it needs is read.
    pub(super) fn wait_for(&mut self, fetch: Fetch, mut command: Command) {
        let queue = fetch.queue();
        if !command.wish.goes_on(fetch.extent()) {
            let cause =
                format!("what was read again for {} does not hold what it should", self.name_of(queue));
            tracing::error!(%cause);
            self.answers.push((command.reply_to, Err(Error::Internal { cause })));
            return;
        }
        match fetch.purpose() {
            Purpose::Line => self.line_waits.entry(queue).or_default().push_back(command),
            Purpose::Verb | Purpose::Burial | Purpose::Age => self.message_waits.push((queue, command)),
        }
        self.fetches.push(fetch);
    }

    /// What was asked for has been read, or could not be.
    pub(super) fn fetched(&mut self, fetched: Fetched, now: Timestamp) -> Result<(), kew_journal::Error> {
        let Fetched { queue, purpose, heads } = fetched;
        let heads = match heads {
            Ok(heads) => heads,
            Err(error @ kew_journal::Error::Disk { .. }) => return self.unread(queue, purpose, &error, now),
            Err(error) => return Err(self.damaged(queue, error)),
        };
        match purpose {
            Purpose::Line => {
                self.extend_window(queue, heads);
                for command in self.line_waits.remove(&queue).unwrap_or_default() {
                    self.take(command, now)?;
                }
                Ok(())
            }
            Purpose::Burial => {
                self.bury(Loaded::from_iter(heads), now)?;
                self.resume(now)
            }
            Purpose::Age => self.look_again(queue, Loaded::from_iter(heads), now),
            Purpose::Verb => match self.next_named(queue) {
                None => Ok(()),
                Some(mut command) => {
                    let loaded = Loaded::from_iter(heads);
                    if matches!(command.verb, Verb::Redrive { .. }) {
                        command.origins.get_or_insert_default().learn(&loaded);
                    }
                    self.take_with(command, &loaded, now)
                }
            },
        }
    }

    /// The verb on named messages of a queue that has waited longest: reads come back in the order in which they were
    /// asked for.
    fn next_named(&mut self, number: QueueNumber) -> Option<Command> {
        let at = self.message_waits.iter().position(|(queue, _)| *queue == number)?;
        Some(self.message_waits.remove(at).1)
    }

    /// A read was refused: those who waited for it are told so, and everybody else goes on.
    fn unread(
        &mut self,
        queue: QueueNumber,
        purpose: Purpose,
        error: &kew_journal::Error,
        now: Timestamp,
    ) -> Result<(), kew_journal::Error> {
        let cause = format!("{error}, for {}", self.name_of(queue));
        tracing::warn!(%cause, "a read failed; those who waited for it are told so");
        let failed: Vec<Command> = match purpose {
            Purpose::Line => self.line_waits.remove(&queue).unwrap_or_default().into(),
            Purpose::Verb => self.next_named(queue).into_iter().collect(),
            // Verbs may wait for a look that waits for the burial.
            Purpose::Burial => {
                let waited = self.drain.postpone(queue, now);
                waited.into_iter().chain(self.looks.concerned(&self.state, queue)).collect()
            }
            Purpose::Age => self.looks.postpone(&self.state, queue, now),
        };
        let told = failed
            .into_iter()
            .map(|command| (command.reply_to, Err(Error::Internal { cause: cause.clone() })));
        self.answers.extend(told);
        self.resume(now)
    }

    /// The same damage, with the queue whose messages it hit.
    pub(super) fn damaged(&self, queue: QueueNumber, error: kew_journal::Error) -> kew_journal::Error {
        match error {
            kew_journal::Error::Damage { file, offset, reason } => {
                let reason = format!("{reason}, for {}", self.name_of(queue));
                kew_journal::Error::Damage { file, offset, reason }
            }
            other => broken(&format!("{other}, for {}", self.name_of(queue))),
        }
    }

    /// A queue in words.
    pub(super) fn name_of(&self, number: QueueNumber) -> String {
        match self.state.queues.get(&number) {
            Some(queue) => format!("queue {} with id {}", queue.object.name, queue.object.id),
            None => format!("queue number {}, deleted since", number.0),
        }
    }

    fn extend_window(&mut self, number: QueueNumber, heads: Vec<Head>) {
        let Some(queue) = self.state.queues.get_mut(&number) else { return };
        self.state.window_bytes -= queue.window.bytes();
        for head in heads {
            let from = queue.window.end().unwrap_or(queue.cursor);
            let follows = head.first <= queue.gone.first_left(from) && head.end > from;
            if follows && queue.in_line > 0 {
                // What was relocated stands together with what is in the window already.
                queue.window.append(Head { first: head.first.max(from), ..head });
            }
        }
        self.state.window_bytes += queue.window.bytes();
    }
}
