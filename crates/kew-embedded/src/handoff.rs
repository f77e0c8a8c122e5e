//! How asking threads hand on what they bring: H1, whatever it is that is decided. `models.rs` tries it in every order.

use std::time::Duration;

use crate::desk::Desk;
use crate::mailbox::Mailbox;
use crate::under_way::UnderWay;

/// Decides what has come, unless somebody else is at it: then they go on with it, or a writer does. `decide` takes what has
/// come and says what leaves at once, and whether something is left for a writer.
pub(crate) fn attend<I, W, L>(
    inbox: &Mailbox<I>,
    desk: &Desk<W>,
    decide: impl Fn(&mut W, Vec<I>) -> (L, bool),
    call_writer: impl Fn(),
    give_out: impl Fn(L),
) {
    while inbox.has_news() {
        let Some(mut place) = desk.try_lock() else {
            // Whoever holds it may have taken what had come before, and not look again.
            call_writer();
            return;
        };
        let Some(work) = place.as_mut() else { return };
        let (leaving, is_left) = decide(work, inbox.take(Some(Duration::ZERO)).items);
        drop(place);
        if is_left {
            call_writer();
        }
        give_out(leaving);
    }
}

/// Tells the writers that there is something to do; true when one sleeps that is to be woken for it.
pub(crate) fn is_to_wake<M>(orders: &Mailbox<M>, under_way: &UnderWay) -> bool {
    // In this order: a writer that ends its turn meanwhile sees the one or the other.
    orders.note() && under_way.wants_another()
}
