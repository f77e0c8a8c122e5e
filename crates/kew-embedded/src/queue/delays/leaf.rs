//! Delays of neighbouring times: most of them packed, the newest as they came.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Delayed;
use super::packed::Packed;

/// Some entries, in order. Copies share them until one changes.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    packed: Packed,
    /// Those that came since, in order among themselves; nothing without any.
    loose: Option<Arc<VecDeque<Delayed>>>,
    /// No entry holds a sequence below.
    lowest: u64,
    /// Entries are being taken from it, so that none are packed.
    is_near: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        Self::of(Vec::new(), false)
    }
}

impl Leaf {
    /// Of entries that are in order, packed unless their turn is near.
    pub(super) fn of(entries: Vec<Delayed>, is_near: bool) -> Self {
        let lowest = lowest_of(&entries);
        let (packed, loose) = match is_near {
            true => (Packed::default(), Some(Arc::new(entries.into()))),
            false => (Packed::of(entries.into_iter()), None),
        };
        Self { packed, loose, lowest, is_near }
    }

    /// Whether entries are being taken from it.
    pub(super) fn is_near(&self) -> bool {
        self.is_near
    }

    pub(crate) fn len(&self) -> usize {
        self.packed.len() + self.loose_len()
    }

    /// How many entries are not packed.
    pub(super) fn loose_len(&self) -> usize {
        self.loose.as_ref().map_or(0, |loose| loose.len())
    }

    /// A sequence below which it holds nothing.
    pub(super) fn lowest(&self) -> u64 {
        self.lowest
    }

    /// The entries, by time and sequence.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Delayed> {
        let mut packed = self.packed.iter().peekable();
        let mut loose = self.loose.iter().flat_map(|loose| loose.iter().copied()).peekable();
        core::iter::from_fn(move || match (packed.peek(), loose.peek()) {
            (Some(one), Some(other)) if other.key() < one.key() => loose.next(),
            (Some(_), _) => packed.next(),
            (None, _) => loose.next(),
        })
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, entry: Delayed) {
        let loose = Arc::make_mut(self.loose.get_or_insert_default());
        loose.insert(loose.partition_point(|other| other.key() < entry.key()), entry);
        self.lowest = self.lowest.min(entry.first);
    }

    /// Lengthens the entry that another continues; false if there is none, or it is packed.
    pub(super) fn lengthen(&mut self, entry: &Delayed) -> bool {
        let Some(loose) = &mut self.loose else { return false };
        let before = loose.partition_point(|other| other.key() < entry.key()).checked_sub(1);
        let Some(before) = before.filter(|before| loose[*before].is_continued_by(entry)) else {
            return false;
        };
        Arc::make_mut(loose)[before].count += entry.count;
        true
    }

    /// Packs all entries.
    pub(super) fn pack(&mut self) {
        self.remake(false);
    }

    fn remake(&mut self, is_near: bool) {
        let lowest = self.lowest;
        *self = Self { lowest, ..Self::of(self.iter().collect(), is_near) };
    }

    /// Takes the first entry out. The turn of those behind it is near.
    pub(super) fn pop(&mut self) -> Option<Delayed> {
        if !self.is_near {
            self.remake(true);
        }
        self.loose.as_mut().and_then(|loose| Arc::make_mut(loose).pop_front())
    }

    /// Puts back what is left of the entry that was taken out last.
    pub(super) fn put_back(&mut self, entry: Delayed) {
        Arc::make_mut(self.loose.get_or_insert_default()).push_front(entry);
    }

    /// Keeps the entries that `keep` says, as it leaves them: no earlier, and in their order.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Delayed) -> bool) {
        let mut changed = false;
        let kept = self.iter().filter_map(|entry| {
            let mut left = entry;
            let stays = keep(&mut left);
            changed |= !stays || left != entry;
            stays.then_some(left)
        });
        let kept: Vec<_> = kept.collect();
        self.lowest = lowest_of(&kept);
        if changed {
            *self = Self::of(kept, self.is_near);
        }
    }

    /// What it takes in memory beside itself.
    #[cfg(feature = "test-util")]
    pub(super) fn memory_bytes(&self) -> usize {
        let loose = self.loose.as_ref().map_or(0, |loose| {
            loose.capacity() * size_of::<Delayed>() + size_of::<VecDeque<Delayed>>() + 2 * size_of::<usize>()
        });
        self.packed.memory_bytes() + loose
    }
}

fn lowest_of(entries: &[Delayed]) -> u64 {
    entries.iter().map(|entry| entry.first).min().unwrap_or(u64::MAX)
}
