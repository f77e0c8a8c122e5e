//! Having hyper speak on a connection: requests come in, their answers go out.

use core::convert::Infallible;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::sync::atomic::Ordering::Relaxed;
use core::task::Poll;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::rarely::Rarely;
use super::stream::Stream;
use super::{Line, Phase, Stage};
use crate::house::House;

/// The most bytes of a request's headers. Who has not yet shown a token may hold this much on each connection, so it is
/// small; what clients send takes less than 2 KiB.
pub(super) const HEADER_BYTES_MAX: usize = 8 * 1024;
/// The most bytes that are read at once.
const READ_BYTES_MAX: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// On how many connections hyper may speak before those that wait for their next request give its buffers back at once, and
/// not after a while. The allocator keeps what thousands once had, so thousands never get it.
const SPOKEN_MAX: usize = 1_024;

/// How a connection went on that hyper speaks on.
enum Progress {
    /// It is over.
    Ended(hyper::Result<()>),
    /// A request has ended to wait, so that shorter deadlines count again.
    WaitEnded,
    /// No request is to be served on, and the buffers are better used elsewhere.
    Quiet,
}

/// What happens beside that.
enum Beside {
    /// The timer has ended.
    Time,
    /// The server has come to another stage; `None` when it is gone.
    Stage(Option<()>),
}

/// One of the connections that hyper speaks on.
struct Spoken(Arc<House>);

impl Spoken {
    fn begin(house: Arc<House>) -> Self {
        house.spoken.fetch_add(1, Relaxed);
        Self(house)
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        self.0.spoken.fetch_sub(1, Relaxed);
    }
}

impl Line {
    /// Has hyper speak until the connection ends, or until it is quiet and can do without: at once for somebody unknown,
    /// who may hold thousands, and where there are many; after a while for everybody. One that hyper has ended is given back
    /// when its client has more to send.
    pub(super) async fn speak<S>(&mut self, stream: Stream<S>) -> Option<Stream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _spoken = Spoken::begin(self.house.clone());
        let (guest, house, watched) = (self.guest, self.house.clone(), self.watch.clone());
        let service = service_fn(move |request| {
            let (house, watch) = (house.clone(), watched.clone());
            async move { Ok::<_, Infallible>(house.answer(request, guest, &watch).await) }
        });
        let mut connection = http1::Builder::new()
            .max_buf_size(READ_BYTES_MAX)
            .max_header_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        loop {
            let (watch, house) = (self.watch.as_ref(), self.house.as_ref());
            let spares_buffers = || !watch.is_known() || house.spoken.load(Relaxed) > SPOKEN_MAX;
            let progress = poll_fn(|context| {
                loop {
                    match Pin::new(&mut connection).poll(context) {
                        Poll::Ready(ended) => return Poll::Ready(Progress::Ended(ended)),
                        Poll::Pending if watch.take_wait_ended() => return Poll::Ready(Progress::WaitEnded),
                        // Whether the client is still there is looked for once more.
                        Poll::Pending if watch.take_wait_begun() => {}
                        // What is still to come is for nobody, and hyper would wait for it.
                        Poll::Pending if watch.has_unread() && watch.phase() == Phase::Idle => {
                            return Poll::Ready(Progress::Quiet);
                        }
                        Poll::Pending if watch.is_quiet() && spares_buffers() => {
                            return Poll::Ready(Progress::Quiet);
                        }
                        Poll::Pending => return Poll::Pending,
                    }
                }
            });
            let happened = {
                let (timer, stage) = (self.timer.as_mut(), &mut self.stage);
                let beside = pin!(async {
                    tokio::select! {
                        biased;
                        () = timer => Beside::Time,
                        told = stage.changed() => Beside::Stage(told.ok()),
                    }
                });
                tokio::select! {
                    biased;
                    progress = progress => Ok(progress),
                    beside = Rarely::new(beside) => Err(beside),
                }
            };
            match happened {
                Ok(Progress::WaitEnded) => self.look_after(self.house.settings().header_timeout),
                Ok(Progress::Quiet) => break,
                Ok(Progress::Ended(ended)) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    if !self.watch.has_unread() {
                        return None;
                    }
                    break;
                }
                Err(Beside::Time) => {
                    if !self.is_in_time() {
                        return None;
                    }
                    if self.watch.is_quiet() {
                        break;
                    }
                }
                Err(Beside::Stage(told)) => match told.map(|()| *self.stage.borrow_and_update()) {
                    Some(Stage::Serving | Stage::Leaving) => {}
                    Some(Stage::Draining) => Pin::new(&mut connection).graceful_shutdown(),
                    Some(Stage::Ending) | None => return None,
                },
            }
        }
        // Hyper gets one request at a time, so it holds nothing of the next.
        Some(connection.into_parts().io.into_inner())
    }
}
