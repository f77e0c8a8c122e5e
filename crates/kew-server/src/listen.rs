//! Where connections come from: a TCP port in life, memory in tests (design §8.19).

use core::future::Future;
use core::time::Duration;
use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// A source of connections.
pub trait Listener: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection, and says from which address it comes; `None` when it comes from within the
    /// process. Must lose none when the future is dropped early.
    ///
    /// # Errors
    /// Whatever ends the listener for good; errors of a single connection are its own to get over.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    /// Waits for the next connection and turns off Nagle's algorithm on it: an answer is written at once, and waiting
    /// for more would cost 40 ms with clients that delay their acknowledgements.
    async fn accept(&mut self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        /// How long to wait when the process is out of files or memory; connections that end free some.
        const BREATH: Duration = Duration::from_millis(100);
        loop {
            match TcpListener::accept(self).await {
                Ok((stream, address)) => {
                    // A connection that is dead already shows that at its first read.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, Some(address.ip().to_canonical())));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections at the moment");
                    tokio::time::sleep_until(Instant::now() + BREATH).await;
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
