//! The server's certificate and key: read from their files, and read again when the process is told to (SIGHUP). And
//! encrypted connections to servers, the own one and others.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use kew_server::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where certificate and key are, both in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate chain, the server's own certificate first.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Encryption with what the files hold now.
    ///
    /// # Errors
    /// Files that cannot be read, or that hold no certificate with its key; both are named.
    pub(crate) fn open(&self) -> anyhow::Result<Tls> {
        let (certificate, key) = self.read()?;
        Tls::new(&certificate, &key).with_context(|| self.to_string())
    }

    /// Has a running server take what the files hold now.
    ///
    /// # Errors
    /// As [`TlsFiles::open`]; the server goes on with what it had.
    pub(crate) fn reload(&self, tls: &Tls) -> anyhow::Result<()> {
        let (certificate, key) = self.read()?;
        tls.replace(&certificate, &key).with_context(|| self.to_string())
    }

    fn read(&self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let read = |setting: &str, path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("{setting}: cannot read {}", path.display()))
        };
        Ok((read("tls_certificate", &self.certificate)?, read("tls_key", &self.key)?))
    }

    /// A connection to this process's own server. It trusts the one certificate of the file and looks at no name in it: the
    /// server is asked by its address.
    ///
    /// # Errors
    /// When the server does not shake hands with that certificate.
    pub(crate) async fn connect(&self, address: SocketAddr) -> anyhow::Result<TlsStream<TcpStream>> {
        let (certificate, _) = self.read()?;
        let provider = Arc::new(ring::default_provider());
        let own = Own {
            certificate: CertificateDer::from_pem_slice(&certificate).context("no certificate")?,
            provider: Arc::clone(&provider),
        };
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(own)).with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(address.ip().into());
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}

/// Encrypts connections to a server that proves its name by what a file trusts.
pub(crate) struct Connector {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    /// Trusts the certificates in a file, in PEM form.
    ///
    /// # Errors
    /// A file that cannot be read or holds none, and a name that no certificate can have.
    pub(crate) fn trusting(file: &Path, name: String) -> anyhow::Result<Self> {
        let problem = || format!("cannot read the certificates in {}", file.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).with_context(problem)? {
            roots.add(certificate.with_context(problem)?).with_context(problem)?;
        }
        ensure!(!roots.is_empty(), "{}: there is no certificate in PEM form", file.display());
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name).context("the server's name")?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Encrypts a connection.
    ///
    /// # Errors
    /// When the server does not prove its name.
    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> anyhow::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await.context("cannot shake hands")
    }
}

impl fmt::Display for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.certificate.display(), self.key.display())
    }
}

/// Trusts one certificate, from whoever proves that it has the key.
#[derive(Debug)]
struct Own {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("the server shows another certificate than the one in the file".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
