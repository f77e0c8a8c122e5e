//! An ordered map that is copied at once, however large it is.
//!
//! It is a tree of small nodes that copies share. So a checkpoint can be taken of a queue with a million leases, ten
//! million acknowledged messages and a million delays between two groups of verbs. What is changed afterwards is copied
//! first, a node on each level, as long as the copy is there; without one a change costs what it costs in any tree.

mod node;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use node::Node;

/// A map. Clones share what neither has changed since.
#[derive(Debug, Clone)]
pub(crate) struct Chunks<K, V> {
    /// Nothing without entries.
    root: Option<Arc<Node<K, V>>>,
}

impl<K, V> Default for Chunks<K, V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<K: Ord + Copy, V: PartialEq> PartialEq for Chunks<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord + Copy, V: Eq> Eq for Chunks<K, V> {}

impl<K: Ord + Copy, V> Chunks<K, V> {
    pub(crate) fn clear(&mut self) {
        self.root = None;
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.root.as_ref()?.get(key)
    }

    /// The entry with the lowest key.
    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the highest key.
    pub(crate) fn last(&self) -> Option<(&K, &V)> {
        let leaf = self.root.as_ref()?.down_from(&|_| true)?;
        leaf.last().map(|(key, value)| (key, value))
    }

    /// The last entry up to and including a key.
    pub(crate) fn last_up_to(&self, key: K) -> Option<(&K, &V)> {
        let (key, value) = self.root.as_ref()?.up_including(&key)?.first()?;
        Some((key, value))
    }

    /// The entries from the lowest key on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.up(self.root.as_ref().and_then(|root| root.up_from(&|_| false)))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries from `first` on, from the lowest key up.
    pub(crate) fn up_from(&self, first: K) -> impl Iterator<Item = (&K, &V)> {
        self.up(self.root.as_ref().and_then(|root| root.up_from(&|key| *key < first)))
    }

    /// The entries from the last one up to and including a key on, from the lowest key up.
    pub(crate) fn up_including(&self, key: K) -> impl Iterator<Item = (&K, &V)> {
        self.up(self.root.as_ref().and_then(|root| root.up_including(&key)))
    }

    /// The entries of a leaf, and all behind them.
    fn up<'a>(&'a self, first: Option<&'a [(K, V)]>) -> impl Iterator<Item = (&'a K, &'a V)> {
        let behind = |last: K| self.root.as_ref()?.up_from(&|key| *key <= last);
        let mut last = None;
        let leaves = core::iter::from_fn(move || {
            let leaf = last.map_or(first, behind)?;
            last = leaf.last().map(|(key, _)| *key);
            Some(leaf)
        });
        leaves.flatten().map(|(key, value)| (key, value))
    }

    /// The entries up to and including `last`, from the highest key down.
    pub(crate) fn down_from(&self, last: K) -> impl Iterator<Item = (&K, &V)> {
        let mut first = None;
        let leaves = core::iter::from_fn(move || {
            let root = self.root.as_ref()?;
            let leaf = match first {
                None => root.down_from(&|key| *key <= last),
                Some(first) => root.down_from(&|key| *key < first),
            };
            first = leaf?.first().map(|(key, _)| *key);
            leaf
        });
        leaves.flat_map(|leaf| leaf.iter().rev()).map(|(key, value)| (key, value))
    }
}

impl<K: Ord + Copy, V: Clone> Chunks<K, V> {
    /// The value of a key that is there.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        Arc::make_mut(self.root.as_mut()?).get_mut(key)
    }

    /// Adds an entry, in the place of one with the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node::Leaf(vec![(key, value)])));
            return;
        };
        if let Some(behind) = Arc::make_mut(root).insert(key, value, true) {
            let front = (root.key(), Arc::clone(root));
            *root = Arc::new(Node::Inner(vec![front, behind]));
        }
    }

    /// Removes an entry that is there.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let removed = Arc::make_mut(self.root.as_mut()?).remove(key);
        self.settle();
        removed
    }

    /// Removes all entries below a key.
    pub(crate) fn remove_below(&mut self, key: K) {
        if self.first().is_none_or(|(first, _)| *first >= key) {
            return;
        }
        if let Some(root) = &mut self.root {
            Arc::make_mut(root).remove_below(&key);
        }
        self.settle();
    }

    /// Lets a root go that holds nothing, or one node.
    fn settle(&mut self) {
        while let Some(root) = &mut self.root {
            match &**root {
                Node::Inner(nodes) if nodes.len() == 1 => {
                    let only = Arc::clone(&nodes[0].1);
                    *root = only;
                }
                root if root.len() == 0 => self.root = None,
                _ => return,
            }
        }
    }
}
