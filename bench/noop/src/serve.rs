//! Threads, connections, and the way of one request.
//!
//! One thread accepts and deals connections out in turn, so that the workers stay evenly loaded whatever the kernel
//! would prefer; each worker is a single-threaded runtime.

use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::answer::{self, Shape};
use crate::request::{self, Kind};

/// The largest body read, in bytes; Kew's own cap.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Connections that may wait for one worker to pick them up.
const WAITING_MAX: usize = 64;

/// Starts the threads that answer; each takes the connections sent to it.
pub(crate) fn start_workers(count: usize) -> anyhow::Result<Vec<mpsc::Sender<TcpStream>>> {
    (0..count)
        .map(|index| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            thread::Builder::new()
                .name(format!("noop-{index}"))
                .spawn(move || work(receiver))
                .context("cannot start a thread")?;
            Ok(sender)
        })
        .collect()
}

/// Accepts connections for ever and deals them out in turn.
///
/// # Errors
/// When accepting fails, or a worker is gone.
pub(crate) fn deal_out(listener: &TcpListener, workers: &[mpsc::Sender<TcpStream>]) -> anyhow::Result<()> {
    for worker in workers.iter().cycle() {
        let (stream, _) = listener.accept().context("cannot accept a connection")?;
        worker.blocking_send(stream).context("a worker is gone")?;
    }
    Ok(())
}

fn work(mut connections: mpsc::Receiver<TcpStream>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else {
        return;
    };
    let shape = Rc::new(Shape::default());
    LocalSet::new().block_on(&runtime, async move {
        while let Some(stream) = connections.recv().await {
            tokio::task::spawn_local(talk(stream, Rc::clone(&shape)));
        }
    });
}

/// Serves one connection until the client closes it; a connection that breaks just ends.
async fn talk(stream: TcpStream, shape: Rc<Shape>) {
    let ready = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
    let Ok(stream) = ready.and_then(|()| tokio::net::TcpStream::from_std(stream)) else {
        return;
    };
    let service = service_fn(|request| {
        let shape = Rc::clone(&shape);
        async move { Ok::<_, core::convert::Infallible>(reply(request, &shape).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn reply(request: Request<Incoming>, shape: &Shape) -> Response<Full<Bytes>> {
    let kind = request::kind(request.uri().path());
    let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
        return respond(StatusCode::PAYLOAD_TOO_LARGE, answer::failure("the body is too large or broken"));
    };
    let body = body.to_bytes();
    let answered = match kind {
        Some(Kind::Push) => request::push(&body).map(|seen| {
            shape.note(seen);
            answer::pushed(1)
        }),
        Some(Kind::Batch) => request::batch(&body).map(|(count, seen)| {
            shape.note(seen);
            answer::pushed(count)
        }),
        Some(Kind::Pull) => request::pull(&body).map(|count| shape.pulled(count)),
        Some(Kind::Ack) => request::ack(&body).map(|(acks, retries)| answer::settled(acks, retries)),
        None => return respond(StatusCode::NOT_FOUND, answer::failure("no such route")),
    };
    match answered {
        Ok(text) => respond(StatusCode::OK, text),
        Err(error) => respond(StatusCode::BAD_REQUEST, answer::failure(&error.to_string())),
    }
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
