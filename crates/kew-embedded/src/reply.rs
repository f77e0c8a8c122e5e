//! How answers reach those who wait for them.
//!
//! A sync brings answers for many. Waking each of them from the writer's thread would cost a call of the system for each,
//! while the next group waits. So all answers for one runtime go there as one task, and that wakes its neighbours, which is
//! cheap. A task of its own, and not one of those who wait: nobody's answer may hang on whether somebody else looks for
//! theirs.

use kew_model::Error;
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::task;

use crate::budget::Room;
use crate::command::Reply;

/// What somebody asked for.
pub(crate) type Answered = Result<Reply, Error>;

/// Whom to answer.
#[derive(Debug)]
pub(crate) struct ReplyTo {
    sender: oneshot::Sender<Answered>,
    /// Where whoever asked runs, if it is a task.
    runtime: Option<Handle>,
    /// What the request counts for until it is answered.
    room: Room,
}

/// Answers that are given out together, at the latest when they are dropped with a runtime that has ended.
struct Together(Vec<(ReplyTo, Answered)>);

/// A promise of an answer to whoever calls, from both sides. It is broken by dropping the first.
pub(crate) fn promise(room: Room) -> (ReplyTo, oneshot::Receiver<Answered>) {
    let (sender, receiver) = oneshot::channel();
    (ReplyTo { sender, runtime: home(), room }, receiver)
}

/// The runtime whose task calls, or of whose threads for what blocks one does. Who drives a runtime beside its tasks has none.
pub(crate) fn home() -> Option<Handle> {
    task::try_id().and_then(|_| Handle::try_current().ok())
}

/// Gives out answers.
pub(crate) fn give_out(mut answers: Vec<(ReplyTo, Answered)>) {
    while let Some((first, _)) = answers.first() {
        let home = first.home();
        let rest = answers.extract_if(.., |(reply_to, _)| reply_to.home() != home).collect();
        let runtime = answers.first().and_then(|(first, _)| first.runtime.clone());
        let together = Together(core::mem::replace(&mut answers, rest));
        match runtime.filter(|_| together.0.len() > 1) {
            Some(runtime) => drop(runtime.spawn(async move { drop(together) })),
            None => drop(together),
        }
    }
}

impl ReplyTo {
    /// Answers. Whoever asked may have gone; what was done stays done.
    pub(crate) fn send(self, answer: Answered) {
        let Self { sender, room, .. } = self;
        drop(room);
        drop(sender.send(answer));
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn home(&self) -> Option<Id> {
        self.runtime.as_ref().map(Handle::id)
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(reply_to, answer)| reply_to.send(answer));
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use crate::budget::Budget;

    use super::*;

    type Group = (Vec<(ReplyTo, Answered)>, Vec<oneshot::Receiver<Answered>>);

    fn group() -> Group {
        let budget = Budget::new(1_000);
        let promises = (0..4).map(|_| promise(budget.take_anyway(1)));
        promises.map(|(to, expected)| ((to, Ok(Reply::Done)), expected)).unzip()
    }

    fn group_of(runtime: &Runtime) -> Group {
        runtime.block_on(async { task::spawn(async { group() }).await.unwrap() })
    }

    fn are_there(waiting: Vec<oneshot::Receiver<Answered>>) -> bool {
        waiting.into_iter().all(|mut expected| matches!(expected.try_recv(), Ok(Ok(Reply::Done))))
    }

    #[test]
    fn whoever_is_no_task_is_answered_on_the_spot() {
        let (answers, mut waiting) = group();
        drop(waiting.pop());
        give_out(answers);
        assert!(are_there(waiting));
    }

    #[test]
    fn whoever_blocks_the_thread_of_a_runtime_is_answered_on_the_spot() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let (answers, waiting) = group();
        give_out(answers);
        assert!(are_there(waiting));
    }

    #[test]
    fn answers_for_several_runtimes_and_for_none_reach_each() {
        let runtimes = [0, 1].map(|_| Builder::new_current_thread().build().unwrap());
        let (mut answers, waiting) = group();
        let mut others = Vec::new();
        for runtime in &runtimes {
            let (more, expected) = group_of(runtime);
            answers.extend(more);
            others.push(expected);
        }
        answers.rotate_left(2);
        give_out(answers);
        assert!(are_there(waiting));
        for (runtime, expected) in runtimes.iter().zip(others) {
            runtime.block_on(async {
                for answer in expected {
                    assert!(matches!(answer.await, Ok(Ok(Reply::Done))));
                }
            });
        }
    }

    #[test]
    fn answers_for_a_runtime_that_has_ended_are_given_all_the_same() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let (answers, waiting) = group_of(&runtime);
        drop(runtime);
        give_out(answers);
        assert!(are_there(waiting));
    }
}
