//! The nodes of a map: leaves hold entries, the others hold nodes, each under a key that is not above any of its own.
//!
//! T1: all leaves are equally deep. T2: what a node holds lies below the key of the next. T3: no node but a root that is
//! about to go is empty. What may change a node copies it first if it is shared, and so costs a node on each level.

use std::sync::Arc;

/// How much a node holds at the most.
pub(super) const WIDTH: usize = 32;

/// A node of so few is joined with a neighbour that is at most half full.
const SPARSE: usize = WIDTH / 8;

/// Anything under rising keys.
type List<K, T> = Vec<(K, T)>;

/// A node.
#[derive(Debug, Clone)]
pub(super) enum Node<K, V> {
    /// Entries.
    Leaf(List<K, V>),
    /// Nodes, which copies share.
    Inner(List<K, Arc<Node<K, V>>>),
}

impl<K, V> Node<K, V> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(nodes) => nodes.len(),
        }
    }
}

impl<K: Ord + Copy, V> Node<K, V> {
    /// A key that none of its entries is below.
    pub(super) fn key(&self) -> K {
        match self {
            Self::Leaf(entries) => entries[0].0,
            Self::Inner(nodes) => nodes[0].0,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(entries) => return Some(&entries[find(entries, key).ok()?].1),
                Self::Inner(nodes) => node = &nodes[last_up_to(nodes, key)?].1,
            }
        }
    }

    /// The entries of a leaf from the last one on that is not above a key, if there is such a one.
    pub(super) fn up_including(&self, key: &K) -> Option<&[(K, V)]> {
        let mut node = self;
        loop {
            match node {
                Self::Inner(nodes) => node = &nodes[last_up_to(nodes, key)?].1,
                Self::Leaf(entries) => match last_up_to(entries, key) {
                    Some(from) => return Some(&entries[from..]),
                    // What a node holds may begin above its key.
                    None => return self.down_from(&|at| at <= key)?.chunks(1).next_back(),
                },
            }
        }
    }

    /// The entries of a leaf from the first on that is not before what is looked for, if there is such a one.
    pub(super) fn up_from(&self, is_before: &impl Fn(&K) -> bool) -> Option<&[(K, V)]> {
        match self {
            Self::Leaf(entries) => {
                let from = entries.partition_point(|(key, _)| is_before(key));
                Some(&entries[from..]).filter(|entries| !entries.is_empty())
            }
            Self::Inner(nodes) => {
                // The last that begins before may end before, too.
                let from = nodes.partition_point(|(key, _)| is_before(key)).saturating_sub(1);
                nodes[from..].iter().find_map(|(_, node)| node.up_from(is_before))
            }
        }
    }

    /// The entries of a leaf up to the last that is not behind what is looked for, if there is such a one.
    pub(super) fn down_from(&self, is_not_behind: &impl Fn(&K) -> bool) -> Option<&[(K, V)]> {
        match self {
            Self::Leaf(entries) => {
                let to = entries.partition_point(|(key, _)| is_not_behind(key));
                Some(&entries[..to]).filter(|entries| !entries.is_empty())
            }
            Self::Inner(nodes) => {
                let to = nodes.partition_point(|(key, _)| is_not_behind(key));
                nodes[..to].iter().rev().find_map(|(_, node)| node.down_from(is_not_behind))
            }
        }
    }
}

impl<K: Ord + Copy, V: Clone> Node<K, V> {
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(entries) => {
                    let at = find(entries, key).ok()?;
                    return Some(&mut entries[at].1);
                }
                Self::Inner(nodes) => {
                    let at = last_up_to(nodes, key)?;
                    node = Arc::make_mut(&mut nodes[at].1);
                }
            }
        }
    }

    /// Adds an entry, in the place of one with the same key. Gives the node that comes behind this one now, if this one
    /// was full; `is_last` says that none does yet.
    pub(super) fn insert(&mut self, key: K, value: V, is_last: bool) -> Option<(K, Arc<Self>)> {
        let behind = match self {
            Self::Leaf(entries) => match find(entries, &key) {
                Ok(there) => {
                    entries[there].1 = value;
                    return None;
                }
                Err(there) => Self::Leaf(add(entries, there, (key, value), is_last)?),
            },
            Self::Inner(nodes) => {
                let at = last_up_to(nodes, &key).unwrap_or(0);
                let is_last = is_last && at + 1 == nodes.len();
                let (lowest, node) = &mut nodes[at];
                *lowest = key.min(*lowest);
                let behind = Arc::make_mut(node).insert(key, value, is_last)?;
                Self::Inner(add(nodes, at + 1, behind, is_last)?)
            }
        };
        Some((behind.key(), Arc::new(behind)))
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Self::Leaf(entries) => {
                let at = find(entries, key).ok()?;
                Some(entries.remove(at).1)
            }
            Self::Inner(nodes) => {
                let at = last_up_to(nodes, key)?;
                let removed = Arc::make_mut(&mut nodes[at].1).remove(key)?;
                settle(nodes, at);
                Some(removed)
            }
        }
    }

    /// Removes all entries below a key.
    pub(super) fn remove_below(&mut self, key: &K) {
        match self {
            Self::Leaf(entries) => drop(entries.drain(..entries.partition_point(|(at, _)| at < key))),
            Self::Inner(nodes) => {
                drop(nodes.drain(..last_up_to(nodes, key).unwrap_or(0)));
                Arc::make_mut(&mut nodes[0].1).remove_below(key);
                settle(nodes, 0);
            }
        }
    }

    /// Takes what a node holds that comes behind it.
    fn append(&mut self, behind: Self) {
        match (self, behind) {
            (Self::Leaf(entries), Self::Leaf(behind)) => entries.extend(behind),
            (Self::Inner(nodes), Self::Inner(behind)) => nodes.extend(behind),
            _ => unreachable!("neighbours are equally deep (T1)"),
        }
    }
}

/// The place of a key, or where it would be.
fn find<K: Ord + Copy, T>(list: &[(K, T)], key: &K) -> Result<usize, usize> {
    list.binary_search_by_key(key, |(key, _)| *key)
}

/// The last that does not begin above a key.
fn last_up_to<K: Ord, T>(list: &[(K, T)], key: &K) -> Option<usize> {
    list.partition_point(|(at, _)| at <= key).checked_sub(1)
}

/// Adds something; of a full list gives the half behind. One at whose end things come stays full.
fn add<K, T>(list: &mut List<K, T>, at: usize, item: (K, T), is_last: bool) -> Option<List<K, T>> {
    if list.len() < WIDTH {
        if list.len() == list.capacity() {
            // No list ever has more room than for a full one.
            list.reserve_exact(list.len().max(2).min(WIDTH - list.len()));
        }
        list.insert(at, item);
        return None;
    }
    let half = if is_last && at == WIDTH { WIDTH } else { WIDTH / 2 };
    let mut behind = list.split_off(half);
    if at > half || behind.is_empty() {
        behind.insert(at - half, item)
    } else {
        list.insert(at, item)
    }
    Some(behind)
}

/// Lets a node go in which nothing is left, and joins a small one with a neighbour if that is small, too: so there are not
/// many more than full ones would be.
fn settle<K: Ord + Copy, V: Clone>(nodes: &mut List<K, Arc<Node<K, V>>>, at: usize) {
    let is_small = |at: usize| nodes.get(at).is_some_and(|(_, node)| node.len() <= WIDTH / 2);
    let first = match nodes[at].1.len() {
        0 => return drop(nodes.remove(at)),
        1..=SPARSE if at > 0 && is_small(at - 1) => at - 1,
        1..=SPARSE if is_small(at + 1) => at,
        _ => return,
    };
    let (_, behind) = nodes.remove(first + 1);
    Arc::make_mut(&mut nodes[first].1).append(Arc::unwrap_or_clone(behind));
}
