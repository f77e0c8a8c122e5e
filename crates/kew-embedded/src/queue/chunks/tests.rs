//! The map against one that shares nothing, and what copies cost.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::node::WIDTH;
use super::*;

#[derive(Debug, Clone)]
enum Change {
    Insert(u16),
    Remove(u16),
    Alter(u16),
    RemoveBelow(u16),
    Copy,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let key = || prop_oneof![0..4_000_u16, 0..40_u16];
    let change = prop_oneof![
        12 => key().prop_map(Change::Insert),
        6 => key().prop_map(Change::Remove),
        4 => key().prop_map(Change::Alter),
        1 => (0..200_u16).prop_map(Change::RemoveBelow),
        1 => Just(Change::Copy),
    ];
    // Keys that rise make other nodes than such that come anywhere.
    let rising = (0..3_000_u16, 0..3_000_u16).prop_map(|(from, count)| {
        (from..from + count).map(Change::Insert).chain([Change::Copy]).collect::<Vec<_>>()
    });
    (rising, prop::collection::vec(change, 0..2_000)).prop_map(|(rising, any)| [rising, any].concat())
}

impl<K: Ord + Copy, V> Node<K, V> {
    /// Looks whether T1 to T3 hold below it, up to a key; gives how deep the leaves are.
    fn depth(&self, next: Option<K>) -> usize {
        assert!((1..=WIDTH).contains(&self.len()));
        match self {
            Self::Leaf(entries) => {
                assert!(entries.is_sorted_by(|one, other| one.0 < other.0));
                assert!(next.is_none_or(|next| entries[entries.len() - 1].0 < next));
                0
            }
            Self::Inner(nodes) => {
                let nexts = nodes[1..].iter().map(|(key, _)| Some(*key)).chain([next]);
                let depths: Vec<_> =
                    nodes.iter().zip(nexts).map(|((_, node), next)| node.depth(next)).collect();
                assert!(nodes.iter().all(|(key, node)| *key <= node.key()));
                assert!(depths.iter().all(|depth| *depth == depths[0]));
                depths[0] + 1
            }
        }
    }

    fn node_count(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Inner(nodes) => 1 + nodes.iter().map(|(_, node)| node.node_count()).sum::<usize>(),
        }
    }
}

impl<K: Ord + Copy, V> Chunks<K, V> {
    fn node_count(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.node_count())
    }
}

fn assert_same(chunks: &Chunks<u16, usize>, map: &BTreeMap<u16, usize>) {
    assert!(chunks.iter().eq(map.iter()));
    assert!(chunks.up_from(77).eq(map.range(77..)));
    let from = map.range(..=77).next_back().map_or(78, |(key, _)| *key);
    assert!(chunks.up_including(77).eq(map.range(from..).filter(|_| from <= 77)));
    assert!(chunks.down_from(300).eq(map.range(..=300).rev()));
    for key in [0, 5, 39, 1_500] {
        assert_eq!(chunks.get(&key), map.get(&key));
        assert_eq!(chunks.last_up_to(key), map.range(..=key).next_back());
    }
    assert_eq!((chunks.first(), chunks.last()), (map.first_key_value(), map.last_key_value()));
    chunks.root.iter().for_each(|root| {
        root.depth(None);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_map_and_its_copies_stay_as_they_were(changes in changes()) {
        let (mut chunks, mut map) = (Chunks::default(), BTreeMap::new());
        let mut copies = Vec::new();
        for (at, change) in changes.into_iter().enumerate() {
            match change {
                Change::Insert(key) => {
                    chunks.insert(key, at);
                    map.insert(key, at);
                }
                Change::Remove(key) => prop_assert_eq!(chunks.remove(&key), map.remove(&key)),
                Change::Alter(key) => {
                    chunks.get_mut(&key).into_iter().for_each(|value| *value += 1);
                    map.entry(key).and_modify(|value| *value += 1);
                }
                Change::RemoveBelow(key) => {
                    chunks.remove_below(key);
                    map = map.split_off(&key);
                }
                Change::Copy => copies.push((chunks.clone(), map.clone())),
            }
        }
        copies.push((chunks, map));
        copies.iter().for_each(|(chunks, map)| assert_same(chunks, map));
    }
}

#[test]
fn entries_that_come_in_order_fill_their_nodes_and_leave_none_behind() {
    let mut chunks = Chunks::default();
    let count = WIDTH as u64 * 100;
    (0..count).for_each(|key| chunks.insert(key, ()));
    assert_eq!(chunks.node_count(), 100 + 4 + 1);
    (0..count).filter(|key| key % 20 != 0).for_each(|key| {
        chunks.remove(&key);
    });
    let left = usize::try_from(count / 20).unwrap();
    assert!(chunks.node_count() <= left / 4 + 2, "{} nodes of {left} entries", chunks.node_count());
    (0..count).for_each(|key| {
        chunks.remove(&key);
    });
    assert_eq!((chunks.first(), chunks.node_count()), (None, 0));
}

/// A value that counts how often it is copied.
#[derive(Debug)]
struct Counted(Rc<Cell<usize>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

#[test]
fn a_copy_copies_no_entry_and_a_change_after_it_those_of_one_node() {
    // Given a map of 100,000 entries, and a copy
    let copied = Rc::new(Cell::new(0));
    let mut chunks = Chunks::default();
    (0..100_000).for_each(|key| chunks.insert(key * 2, Counted(Rc::clone(&copied))));
    let copy = chunks.clone();
    assert_eq!(copied.get(), 0);

    // When an entry is altered, one added and one removed, then each of them copies no more entries than a node has
    assert!(chunks.get_mut(&50_000).is_some());
    assert!((1..=WIDTH).contains(&copied.take()));
    chunks.insert(100_001, Counted(Rc::clone(&copied)));
    assert!((1..=WIDTH).contains(&copied.take()));
    assert!(chunks.remove(&150_000).is_some());
    assert!((1..=WIDTH).contains(&copied.take()));
    chunks.remove_below(30_000);
    assert!(copied.take() <= WIDTH);

    // And once the copy is gone, none
    drop(copy);
    chunks.insert(60_001, Counted(Rc::clone(&copied)));
    assert_eq!(copied.get(), 0);
}
