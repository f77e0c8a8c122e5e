//! One connection, from accept to close: hyper speaks HTTP/1.1, the house answers, and one timer watches both.
//!
//! The timer ticks at the shortest deadline and then looks where the connection stands, so a request costs no
//! timer of its own, and no deadline is missed. A request that runs out of time is answered as such; a connection that
//! does, without a request in hand, is closed.

mod head;
mod stream;
mod watch;

use core::convert::Infallible;
use core::future::{Future as _, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch as channel;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::guest::Guest;
use crate::house::House;
use crate::settings::Settings;
use crate::tls::Tls;

use stream::Stream;
pub(crate) use watch::{Phase, Watch};

/// How far the server is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It serves.
    Serving,
    /// It answers what is in hand and takes no more.
    Draining,
    /// It waits for nothing any more.
    Ending,
}

impl Stage {
    /// Whether requests that begin now are served.
    pub(crate) fn takes_requests(self) -> bool {
        self == Self::Serving
    }
}

/// The most bytes of a request's headers. Who has not yet shown a token may hold this much on each connection, so it is
/// small; what clients send takes less than 2 KiB.
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// The most bytes that are read at once.
const READ_BYTES_MAX: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// Serves one connection until it ends, by whichever side; first it shakes hands, if the server encrypts.
pub(crate) async fn serve<S>(stream: S, guest: Guest, house: Arc<House>, stage: channel::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match house.settings().tls.clone() {
        None => converse(stream, guest, house, stage).await,
        // Its state is large, and connections that are not encrypted shall not pay for it.
        Some(tls) => Box::pin(serve_encrypted(tls, stream, guest, house, stage)).await,
    }
}

async fn serve_encrypted<S>(
    tls: Tls,
    stream: S,
    guest: Guest,
    house: Arc<House>,
    mut stage: channel::Receiver<Stage>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = {
        let handshake = pin!(timeout(house.settings().handshake_timeout, tls.shake_hands(stream)));
        tokio::select! {
            biased;
            shaken = handshake => shaken,
            // No request is lost: none can have come.
            _ = stage.wait_for(|stage| !stage.takes_requests()) => return,
        }
    };
    match shaken {
        Ok(Ok(stream)) => converse(stream, guest, house, stage).await,
        Ok(Err(error)) => tracing::debug!(%error, address = %guest, "a TLS handshake failed"),
        Err(_) => tracing::debug!(address = %guest, "a TLS handshake took too long"),
    }
}

/// Speaks HTTP on a connection until it ends.
async fn converse<S>(stream: S, guest: Guest, house: Arc<House>, mut stage: channel::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::new(Watch::new());
    let io = TokioIo::new(Stream::new(stream, watch.clone()));
    let (shared, watched) = (house.clone(), watch.clone());
    let service = service_fn(move |request| {
        let (house, watch) = (shared.clone(), watched.clone());
        async move { Ok::<_, Infallible>(house.answer(request, guest, &watch).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(READ_BYTES_MAX)
            .max_header_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .header_read_timeout(None)
            .serve_connection(io, service)
    );
    let mut timer = pin!(sleep_until(Instant::now() + house.settings().header_timeout));
    loop {
        let progress = poll_fn(|context| match connection.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if watch.take_wait_ended() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        tokio::select! {
            biased;
            progress = progress => match progress {
                None => timer.as_mut().reset(Instant::now() + house.settings().header_timeout),
                Some(ended) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
            },
            () = timer.as_mut() => {
                if !is_in_time(&watch, house.settings(), timer.as_mut()) {
                    return;
                }
            }
            told = stage.changed() => match told.map(|()| *stage.borrow_and_update()) {
                Ok(Stage::Serving) => {}
                Ok(Stage::Draining) => connection.as_mut().graceful_shutdown(),
                Ok(Stage::Ending) | Err(_) => return,
            }
        }
    }
}

/// Looks at the deadline and sets the timer anew; false when the connection is to be closed.
fn is_in_time(watch: &Watch, settings: &Settings, timer: Pin<&mut Sleep>) -> bool {
    let (now, deadline) = (Instant::now(), watch.deadline(settings));
    let next_look = now + settings.header_timeout;
    if now < deadline {
        // Thousands may wait for long; the end of a wait is told (`Watch::take_wait_ended`).
        let is_waiting = watch.phase() == Phase::Waiting;
        timer.reset(if is_waiting { deadline } else { deadline.min(next_look) });
        return true;
    }
    match watch.phase() {
        Phase::Body | Phase::Work | Phase::Waiting => {
            // The request's own poll, which follows at once, turns this into its answer.
            watch.expire();
            timer.reset(next_look);
            true
        }
        Phase::Idle | Phase::Headers | Phase::Writing | Phase::Lingering => false,
    }
}
