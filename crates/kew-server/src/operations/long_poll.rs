//! A pull that waits for messages (design §8.18). Kew's own; clients that do not ask for it never wait.
//!
//! It ends with the first messages; with none at its deadline and as soon as the server drains; with an error as soon as
//! there is one to tell. A client that leaves is dropped out of its wait by the connection.
//!
//! Invariants: no news is missed, since the promise of news is asked for before the look that finds nothing; of one line
//! only the first has such a promise; a caller that has waited is judged anew before each look, so that a token that was
//! revoked in the meantime gets nothing.

use core::future::{Future, ready};
use core::pin::{Pin, pin};
use core::time::Duration;

use kew_model::{Change, Place, Pull, Pulled};
use kew_wire::messages::AskedPull;
use kew_wire::{Fault, Kind};
use tokio::time::{Instant, sleep_until};

use crate::connection::Phase;
use crate::house::waiters_max;
use crate::operations::Call;
use crate::waiting::Waiter;

/// Pulls, and waits when there is nothing.
pub(super) async fn pull(call: &Call<'_>, place: Place, asked: AskedPull) -> Result<Pulled, Fault> {
    let end = Instant::now() + Duration::from_millis(asked.wait.0);
    let news = call.house.broker.changed(place);
    // The first look stands in no line: it costs what any pull costs, and where there are messages nobody waits.
    let pulled = look(call, place, asked.pull).await?;
    if !pulled.messages.is_empty() {
        return Ok(pulled);
    }
    let found = {
        let Some(waiter) = call.house.waiting.enter(place) else { return Err(no_room(call)) };
        let over = pin!(end_of_wait(call, end));
        wait(call, place, asked.pull, &waiter, news, over).await?
    };
    match found {
        Some(pulled) => Ok(pulled),
        None => nothing(call, place).await,
    }
}

/// Stands in line and looks whenever there is news; `None` when the wait is over.
async fn wait(
    call: &Call<'_>,
    place: Place,
    pull: Pull,
    waiter: &Waiter<'_>,
    mut news: Change,
    mut over: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Result<Option<Pulled>, Fault> {
    call.watch.enter(Phase::Waiting);
    let _turn = match waiter.turn_if_first() {
        Some(turn) => turn,
        None => {
            // The broker would have to tell everybody in line of each piece of news. Those before may leave some unused,
            // so whoever gets the turn looks at once.
            news = Box::pin(ready(()));
            tokio::select! {
                biased;
                () = over.as_mut() => return Ok(None),
                turn = waiter.turn() => turn,
            }
        }
    };
    loop {
        tokio::select! {
            biased;
            () = over.as_mut() => return Ok(None),
            () = news.as_mut() => {}
        }
        call.watch.enter(Phase::Work);
        call.check_again(place)?;
        news = call.house.broker.changed(place);
        let pulled = look(call, place, pull).await?;
        if !pulled.messages.is_empty() {
            return Ok(Some(pulled));
        }
        call.watch.enter(Phase::Waiting);
    }
}

/// Pulls once.
pub(super) async fn look(call: &Call<'_>, place: Place, pull: Pull) -> Result<Pulled, Fault> {
    call.house.broker.pull(place, pull).await.map_err(|error| call.refused(error))
}

/// The answer without messages to one who has waited in vain.
async fn nothing(call: &Call<'_>, place: Place) -> Result<Pulled, Fault> {
    call.watch.enter(Phase::Work);
    call.check_again(place)?;
    let backlog = call.house.broker.backlog(place).await.map_err(|error| call.refused(error))?;
    Ok(Pulled::empty(backlog))
}

/// Until the deadline, or until the server takes no more requests.
async fn end_of_wait(call: &Call<'_>, end: Instant) {
    let mut stage = call.house.stage.subscribe();
    tokio::select! {
        biased;
        _ = stage.wait_for(|stage| !stage.takes_requests()) => {}
        () = sleep_until(end) => {}
    }
}

fn no_room(call: &Call<'_>) -> Fault {
    let most = waiters_max(call.house.settings());
    let why = format!(
        "{most} pulls wait for messages already, the most allowed; without wait_time_ms one does not wait"
    );
    Fault::new(Kind::Overloaded).detailed(why)
}
