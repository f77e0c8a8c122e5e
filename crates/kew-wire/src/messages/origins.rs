//! The queues that dead letters came from, by name. Kew's own; the vendor does not tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use kew_model::{Queue, QueueNumber};

/// The origins that an answer may name. One that is gone, or that the caller may not know of, is not among them, and then
/// the message looks as if it had none.
#[derive(Debug, Default)]
pub struct Origins(BTreeMap<QueueNumber, Arc<Queue>>);

impl Origins {
    /// Those of `numbers` that `find` gives, each looked for once.
    pub fn of(
        numbers: impl Iterator<Item = QueueNumber>,
        find: impl Fn(QueueNumber) -> Option<Arc<Queue>>,
    ) -> Self {
        let mut found = BTreeMap::new();
        let mut last = None;
        for number in numbers {
            if last.replace(number) != Some(number)
                && !found.contains_key(&number)
                && let Some(queue) = find(number)
            {
                found.insert(number, queue);
            }
        }
        Self(found)
    }

    pub(super) fn name_of(&self, origin: Option<QueueNumber>) -> Option<&str> {
        self.0.get(&origin?).map(|queue| queue.name.as_str())
    }
}
