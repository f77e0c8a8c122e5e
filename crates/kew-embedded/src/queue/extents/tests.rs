//! Extents, one change at a time.

use super::*;

fn live(messages: u64) -> Live {
    Live { messages, bytes: messages * 10 }
}

fn summary(messages: u64) -> Summary {
    Summary { in_line: messages, bytes: messages * 10, oldest: Timestamp(1), newest: Timestamp(2) }
}

/// The extents as (first, segment, messages).
fn listed(extents: &Extents) -> Vec<(u64, u64, u64)> {
    extents.iter().map(|extent| (extent.first, extent.segment.0, extent.live.messages)).collect()
}

fn extents(list: &[(u64, u64, u64)]) -> Extents {
    let mut extents = Extents::default();
    list.iter().for_each(|(first, segment, count)| {
        extents.push(*first, SegmentId(*segment), live(*count), summary(*count))
    });
    extents
}

#[test]
fn what_is_relocated_leaves_its_extent_from_the_front_and_joins_the_one_before() {
    let mut extents = extents(&[(1, 1, 100), (101, 2, 100), (201, 3, 100)]);
    let mut left = Vec::new();
    let mut relocate = |extents: &mut Extents, stretch, count| {
        let moved = (live(count), summary(count));
        let done = extents.relocate(stretch, SegmentId(3), moved, &mut |segment, gone| {
            left.push((segment.0, gone));
        });
        assert!(done);
    };
    relocate(&mut extents, (1, 41), 40);
    assert_eq!(listed(&extents), [(1, 3, 40), (41, 1, 60), (101, 2, 100), (201, 3, 100)]);
    relocate(&mut extents, (41, 101), 60);
    assert_eq!(listed(&extents), [(1, 3, 100), (101, 2, 100), (201, 3, 100)]);
    relocate(&mut extents, (101, 151), 50);
    assert_eq!(listed(&extents), [(1, 3, 150), (151, 2, 50), (201, 3, 100)]);
    assert_eq!(left, [(1, live(40)), (1, live(60)), (2, live(50))]);
    assert_eq!((extents.segment(150), extents.segment(151)), (Some(SegmentId(3)), Some(SegmentId(2))));
}

#[test]
fn an_extent_in_which_nothing_lives_is_given_up_when_its_neighbour_moves() {
    let mut extents = extents(&[(1, 1, 10), (11, 2, 10), (21, 3, 10), (31, 4, 10)]);
    extents.forget(11, 21, |from, to| (to - from) * 10, &mut |_, _| {});
    extents.forget(22, 31, |from, to| (to - from) * 10, &mut |_, _| {});
    assert!(extents.relocate((21, 22), SegmentId(1), (live(1), summary(1)), &mut |_, _| {}));
    assert_eq!(listed(&extents), [(1, 1, 11), (31, 4, 10)]);
}

#[test]
fn what_is_not_in_one_extent_is_not_relocated() {
    let mut extents = extents(&[(11, 1, 10), (21, 2, 10)]);
    let before = extents.clone();
    for (stretch, count) in [((1, 5), 2), ((11, 21), 11), ((11, 22), 10)] {
        let moved = (live(count), summary(count));
        assert!(!extents.relocate(stretch, SegmentId(9), moved, &mut |_, _| panic!("it moved")));
    }
    assert_eq!(extents, before);
}

#[test]
fn bytes_that_are_guessed_are_shared_by_messages_and_never_fall_below_nothing() {
    let mut extents = extents(&[(1, 1, 3), (4, 2, 1)]);
    extents.guess_bytes(101);
    assert_eq!(extents.iter().map(|extent| extent.live.bytes).collect::<Vec<_>>(), [75, 26]);
    let mut left = Vec::new();
    extents.forget(1, 5, |_, _| 90, &mut |segment, gone| left.push((segment.0, gone)));
    assert_eq!(left, [(1, Live { messages: 3, bytes: 75 }), (2, Live { messages: 1, bytes: 26 })]);
}

#[test]
fn of_what_expires_the_last_extent_loses_what_the_others_did_not() {
    let mut extents = extents(&[(1, 1, 10), (11, 2, 10), (21, 3, 10)]);
    let mut left = Vec::new();
    extents
        .expire(15, 147, (12, 127), |from, to| to - from, &mut |segment, gone| left.push((segment.0, gone)));
    assert_eq!(left, [(1, live(10)), (2, Live { messages: 4, bytes: 47 })]);
    assert_eq!(extents.iter().map(|extent| extent.live.bytes).collect::<Vec<_>>(), [53, 100]);
    let in_line = extents.iter().map(|extent| extent.summary.map(|summary| (summary.in_line, summary.bytes)));
    assert_eq!(in_line.collect::<Vec<_>>(), [Some((8, 73)), Some((10, 100))]);
}
