//! Encryption: TLS 1.2 and 1.3 by rustls, in front of the connection.
//!
//! A handshake happens in the connection's own task, so it takes one of the places that connections have, and it has a
//! deadline of its own; nothing of HTTP is read before it is over. The certificate can be replaced while the server
//! runs: handshakes that begin later take the new one, connections that are open stay as they are. Somebody who speaks
//! plain HTTP is told so in plain HTTP.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS handshake: the type of its record (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// How much is still read of somebody who does not speak TLS and was told so, in bytes.
const UNREAD_BYTES_MAX: u64 = 64 * 1024;

/// What the server shows to prove that it is who clients mean. Clones are the same one.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<TlsAcceptor>>);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds no certificate, or a broken one.
    #[error("no certificate chain in PEM form: {0}")]
    Certificate(String),
    /// The text holds no private key, or a broken one.
    #[error("no private key in PEM form: {0}")]
    Key(String),
    /// The two do not belong together, or are of a kind that is not known.
    #[error("the certificate and the key cannot be used")]
    Pair(#[from] rustls::Error),
}

impl Tls {
    /// Encrypts with a certificate chain, the server's own certificate first, and its private key, both in PEM form.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(acceptor(certificates, key)?))))
    }

    /// Takes another pair from the next handshake on.
    ///
    /// # Errors
    /// [`TlsError`]; then the former pair stays.
    pub fn replace(&self, certificates: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let next = acceptor(certificates, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Shakes hands. Somebody who does not speak TLS is told `otherwise`, in plain HTTP, which it most likely speaks.
    ///
    /// # Errors
    /// When the client does not speak TLS, or not one that this server speaks, or leaves.
    pub(crate) async fn shake_hands<S>(
        &self,
        mut stream: S,
        otherwise: impl FnOnce() -> Vec<u8>,
    ) -> io::Result<TlsStream<Rewound<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let first = stream.read_u8().await?;
        if first != HANDSHAKE {
            stream.write_all(&otherwise()).await?;
            stream.shutdown().await?;
            // A connection that is closed over unread bytes would lose the answer.
            tokio::io::copy(&mut stream.take(UNREAD_BYTES_MAX), &mut tokio::io::sink()).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
        }
        let acceptor = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(Rewound { first: Some(first), inner: stream }).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn acceptor(certificates: &[u8], key: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(|error| TlsError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::Certificate("there is no section CERTIFICATE".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A connection whose first byte was read already.
pub(crate) struct Rewound<S> {
    first: Option<u8>,
    inner: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
