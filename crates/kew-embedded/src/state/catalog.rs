//! Queues that come, change and go, and everything else that has a name.

use std::sync::Arc;

use kew_journal::Lsn;
use kew_model::QueueNumber;

use super::{State, forget_live};
use crate::catalog::CatalogChange;
use crate::queue::QueueState;

impl State {
    pub(super) fn put_queue(&mut self, object: &kew_model::Queue, lsn: Lsn) {
        let number = object.number;
        let object = Arc::new(object.clone());
        match self.queues.get_mut(&number) {
            Some(queue) if queue.covered >= lsn => return,
            Some(queue) => queue.object = Arc::clone(&object),
            // Numbers are given once: the checkpoint was taken when the queue had come and gone.
            None if number.0 < self.next_queue => return,
            None => {
                self.queues.insert(number, QueueState::new(Arc::clone(&object)));
            }
        }
        self.next_queue = self.next_queue.max(number.0 + 1);
        self.watch_times(number);
        self.effects.note_available(number);
        self.catalog_change(CatalogChange::Queue(object));
    }

    pub(super) fn delete_queue(&mut self, number: QueueNumber, lsn: Lsn) {
        if self.queues.get(&number).is_none_or(|queue| queue.covered >= lsn) {
            return;
        }
        if let Some(mut queue) = self.queues.remove(&number) {
            self.window_bytes -= queue.window.bytes();
            let live = &mut self.live;
            queue.extents.clear(&mut |segment, gone| forget_live(live, segment, gone));
        }
        self.key_counts.set(number, 0);
        self.watch_times(number);
        self.effects.note_available(number);
        self.catalog_change(CatalogChange::QueueDeleted(number));
    }

    pub(super) fn catalog_change(&mut self, change: CatalogChange) {
        self.catalog.apply(&change);
        self.effects.catalog.push(change);
    }
}
