//! How many connections one address may have.

use tokio::io::AsyncWriteExt as _;

use crate::memory::InMemory;

/// Whether somebody new from an address is answered; else the connection is closed without a word.
async fn is_answered(kew: &InMemory, address: &str) -> bool {
    let mut client = kew.connect_from(address).await;
    // Nobody may be there any more to take it.
    let _ = client.stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: kew\r\nconnection: close\r\n\r\n").await;
    let said = client.end().await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 200"), "{said}");
    !said.is_empty()
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_others_are_served_beside_it() {
    let kew = InMemory::start(None, |settings| settings.connections_per_address_max = 2).await;
    // Given an address with as many connections as it may have
    let mut first = kew.connect_from("192.0.2.1").await;
    let mut second = kew.connect_from("192.0.2.1").await;
    for client in [&mut first, &mut second] {
        client.call("GET", "/healthz", "", "").await.expect(200);
    }
    // Then one more is closed, and others are served
    assert!(!is_answered(&kew, "192.0.2.1").await);
    assert!(is_answered(&kew, "192.0.2.2").await);
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(kew.connect_from("127.0.0.1").await);
    }
    for other in &mut others {
        other.call("GET", "/healthz", "", "").await.expect(200);
    }
    // And when one of them ends, there is room for another
    drop(first);
    while !is_answered(&kew, "192.0.2.1").await {
        tokio::task::yield_now().await;
    }
}
