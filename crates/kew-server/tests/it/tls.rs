//! Encryption: handshakes, their deadline and their place among connections, and a certificate that is replaced.

use std::sync::Arc;
use std::time::Duration;

use kew_server::{Settings, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;
use crate::memory::InMemory;

const NAME: &str = "queue.example";

/// A certificate that stands for itself, with its key.
struct Pair {
    certificate: CertificateDer<'static>,
    texts: (String, String),
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let texts = (made.cert.pem(), made.signing_key.serialize_pem());
        Self { certificate: made.cert.der().clone(), texts }
    }

    fn tls(&self) -> Tls {
        Tls::new(self.texts.0.as_bytes(), self.texts.1.as_bytes()).unwrap()
    }
}

async fn start(tls: &Tls, change: impl FnOnce(&mut Settings)) -> InMemory {
    let tls = Some(tls.clone());
    InMemory::start(None, |settings| {
        settings.tls = tls;
        change(settings);
    })
    .await
}

/// Shakes hands as a client that trusts one certificate.
async fn shake_hands(
    stream: DuplexStream,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<Client<TlsStream<DuplexStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Client::new(stream))
}

#[tokio::test]
async fn requests_are_answered_over_tls() {
    let pair = Pair::new();
    let kew = start(&pair.tls(), |_| {}).await;
    let mut client = shake_hands(kew.stream(65_536, None).await, &pair.certificate).await.unwrap();
    for _ in 0..2 {
        client.call("GET", "/healthz", "", "").await.expect(200);
    }
    // What is no HTTP is answered within the encryption, too.
    client.send("NONSENSE\r\n\r\n").await;
    assert_eq!(client.answer().await.failure(), (400, 19_010));
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_those_who_come_later() {
    // Given a connection under the first certificate
    let (first, second) = (Pair::new(), Pair::new());
    let tls = first.tls();
    let kew = start(&tls, |_| {}).await;
    let mut early = shake_hands(kew.stream(65_536, None).await, &first.certificate).await.unwrap();
    early.call("GET", "/healthz", "", "").await.expect(200);
    // When what is no pair is to replace it, then it stays
    tls.replace(first.texts.0.as_bytes(), second.texts.1.as_bytes()).unwrap_err();
    tls.replace(b"", second.texts.1.as_bytes()).unwrap_err();
    shake_hands(kew.stream(65_536, None).await, &first.certificate).await.unwrap();
    // When another one replaces it
    tls.replace(second.texts.0.as_bytes(), second.texts.1.as_bytes()).unwrap();
    // Then that one is shown, and the connection goes on
    assert!(shake_hands(kew.stream(65_536, None).await, &first.certificate).await.is_err());
    let mut late = shake_hands(kew.stream(65_536, None).await, &second.certificate).await.unwrap();
    late.call("GET", "/healthz", "", "").await.expect(200);
    early.call("GET", "/healthz", "", "").await.expect(200);
}

#[tokio::test]
async fn somebody_who_speaks_plain_http_is_told_so_in_plain_http() {
    let kew = start(&Pair::new().tls(), |_| {}).await;
    let mut client = kew.connect(65_536).await;
    let refused = client.call("GET", "/healthz", "", "").await;
    assert_eq!(refused.failure(), (400, 19_010));
    assert_eq!(refused.text(), "this server speaks HTTPS on this port: use https:// in place of http://");
    assert!(refused.header("x-request-id").is_some(), "{refused:?}");
    assert_eq!(client.end().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_takes_too_long_gives_its_place_to_others() {
    let pair = Pair::new();
    let kew = start(&pair.tls(), |settings| settings.connections_max = 1).await;
    // Given one who begins a handshake and says no more, and so holds the only place
    let mut silent = kew.stream(65_536, None).await;
    silent.write_all(&[22, 3, 1, 0, 200]).await.unwrap();
    let begun = Instant::now();
    // When another one comes
    let stream = kew.stream(65_536, None).await;
    let mut client = shake_hands(stream, &pair.certificate).await.unwrap();
    // Then it is served once the first has run out of time
    client.call("GET", "/healthz", "", "").await.expect(200);
    assert_eq!(begun.elapsed().as_secs(), Settings::default().handshake_timeout.as_secs());
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_no_handshake() {
    let mut kew = start(&Pair::new().tls(), |_| {}).await;
    // Given a handshake of which the server has read the first byte, since there was no room for the second
    let mut silent = kew.stream(1, None).await;
    silent.write_all(&[22, 3]).await.unwrap();
    let begun = Instant::now();
    drop(kew.stop.take());
    kew.running.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
