//! One connection, from accept to close: hyper speaks HTTP/1.1, the house answers, and one timer watches both.
//!
//! Hyper comes when a request's head is there, so that thousands of connections may wait, or have begun to send heads that
//! never end, at the cost of what they have sent. The bytes of large unfinished heads are bounded over all connections.
//!
//! The timer ticks at the shortest deadline and then looks where the connection stands, so a request costs no
//! timer of its own, and no deadline is missed. A request that runs out of time is answered as such; a connection that
//! does, without a request in hand, is closed.

mod ahead;
mod head;
mod rarely;
mod speak;
mod stream;
mod watch;

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch as channel;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::guest::Guest;
use crate::house::House;
use crate::meters::Arrival;
use crate::reply;
use crate::tls::Tls;

pub(crate) use ahead::HeadRoom;
use stream::{Beginning, Stream};
pub(crate) use watch::{Phase, Watch};

/// How far the server is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It serves.
    Serving,
    /// It serves, and tells whoever asks that it is about to stop.
    Leaving,
    /// It answers what is in hand and takes no more.
    Draining,
    /// It waits for nothing any more.
    Ending,
}

impl Stage {
    /// Whether requests that begin now are served.
    pub(crate) fn takes_requests(self) -> bool {
        matches!(self, Self::Serving | Self::Leaving)
    }
}

/// What all of a connection's states share.
struct Line {
    guest: Guest,
    house: Arc<House>,
    watch: Arc<Watch>,
    stage: channel::Receiver<Stage>,
    timer: Pin<Box<Sleep>>,
}

/// Serves one connection until it ends, by whichever side; first it shakes hands, if the server encrypts.
pub(crate) async fn serve<S>(stream: S, guest: Guest, house: Arc<House>, stage: channel::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(tls) = house.settings().tls.clone() else {
        return converse(stream, guest, house, stage).await;
    };
    // What a handshake needs is large. It is given back when the handshake is over, and who needs none does not pay for it.
    let shaken = Box::pin(shake_hands(tls, stream, guest, &house, stage.clone())).await;
    if let Some(stream) = shaken {
        converse(stream, guest, house, stage).await;
    }
}

/// Encrypts a connection; `None` when that cannot be.
async fn shake_hands<S>(
    tls: Tls,
    stream: S,
    guest: Guest,
    house: &House,
    mut stage: channel::Receiver<Stage>,
) -> Option<Box<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let otherwise = || house.answer_no_request(&reply::plaintext(), guest);
    let handshake = pin!(timeout(house.settings().handshake_timeout, tls.shake_hands(stream, otherwise)));
    let shaken = tokio::select! {
        biased;
        shaken = handshake => shaken,
        // No request is lost: none can have come.
        _ = stage.wait_for(|stage| !stage.takes_requests()) => return None,
    };
    match shaken {
        Ok(Ok(stream)) => return Some(Box::new(stream)),
        Ok(Err(error)) => tracing::debug!(%error, address = %guest, "a TLS handshake failed"),
        Err(_) => tracing::debug!(address = %guest, "a TLS handshake took too long"),
    }
    house.meters.arrived(Arrival::Unencrypted);
    None
}

/// Speaks HTTP on a connection until it ends.
async fn converse<S>(stream: S, guest: Guest, house: Arc<House>, stage: channel::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::new(Watch::new());
    let mut stream = Stream::new(stream, guest, house.clone(), watch.clone());
    let timer = Box::pin(sleep_until(Instant::now() + house.settings().header_timeout));
    let mut line = Line { guest, house, watch, stage, timer };
    loop {
        match line.begin(&mut stream).await {
            Beginning::Head => {}
            Beginning::NoRoom => return Box::pin(line.refuse(stream)).await,
            Beginning::End => return,
        }
        // In boxes of their own, so that a connection without a request is small.
        match Box::pin(line.speak(stream)).await {
            Some(left) if line.watch.has_unread() => return Box::pin(line.linger(left)).await,
            Some(quiet) => stream = quiet,
            None => return,
        }
    }
}

impl Line {
    /// Waits for a request's head.
    async fn begin<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut Stream<S>) -> Beginning {
        loop {
            tokio::select! {
                biased;
                beginning = poll_fn(|context| stream.poll_begin(context)) => return beginning,
                () = self.timer.as_mut() => {
                    if !self.is_in_time() {
                        return Beginning::End;
                    }
                }
                told = self.stage.changed() => {
                    if told.is_err() || !self.stage.borrow_and_update().takes_requests() {
                        return Beginning::End;
                    }
                }
            }
        }
    }

    /// Tells a client that there is no room for its head, and hangs up.
    async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: Stream<S>) {
        stream.refuse(self.house.answer_no_request(&reply::crowded(), self.guest));
        self.linger(stream).await;
    }

    /// Ends this side of a connection, and listens on for a moment: one that is closed before its client has sent
    /// everything loses the answer (RFC 9112 §9.6). Thousands may do this, so it is done without hyper.
    async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: Stream<S>) {
        if self.is_done(poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context))).await {
            self.watch.enter(Phase::Lingering);
            let deadline = self.watch.deadline(self.house.settings());
            self.timer.as_mut().reset(deadline);
            self.is_done(poll_fn(|context| stream.poll_discard(context))).await;
        }
    }

    /// Whether work is done before the connection's time is over.
    async fn is_done(&mut self, work: impl Future<Output = io::Result<()>>) -> bool {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = work.as_mut() => return done.is_ok(),
                () = self.timer.as_mut() => {
                    if !self.is_in_time() {
                        return false;
                    }
                }
            }
        }
    }

    /// Sets the timer to look after so long.
    fn look_after(&mut self, duration: Duration) {
        self.timer.as_mut().reset(Instant::now() + duration);
    }

    /// Looks at the deadline and sets the timer anew; false when the connection is to be closed.
    fn is_in_time(&mut self) -> bool {
        let (watch, settings) = (&self.watch, self.house.settings());
        let (now, deadline) = (Instant::now(), watch.deadline(settings));
        let next_look = now + settings.header_timeout;
        if now < deadline {
            // Thousands may wait for long; the end of a wait is told (`Watch::take_wait_ended`).
            let is_waiting = watch.phase() == Phase::Waiting;
            self.timer.as_mut().reset(if is_waiting { deadline } else { deadline.min(next_look) });
            return true;
        }
        match watch.phase() {
            Phase::Body | Phase::Work | Phase::Waiting => {
                // The request's own poll, which follows at once, turns this into its answer.
                watch.expire();
                self.timer.as_mut().reset(next_look);
                true
            }
            Phase::Idle | Phase::Headers | Phase::Writing | Phase::Lingering => false,
        }
    }
}
