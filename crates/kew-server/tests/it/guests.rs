//! How many connections one address may have.

use tokio::io::AsyncWriteExt as _;

use crate::memory::InMemory;

#[tokio::test]
async fn an_address_has_so_many_connections_and_others_are_served_beside_it() {
    let kew = InMemory::start(None, |settings| settings.connections_per_address_max = 2).await;
    // Given an address with as many connections as it may have
    let mut first = kew.connect_from("192.0.2.1").await;
    let mut second = kew.connect_from("192.0.2.1").await;
    for client in [&mut first, &mut second] {
        client.call("GET", "/healthz", "", "").await.expect(200);
    }
    // Then one more is closed without a word, and others are served
    assert_eq!(kew.connect_from("192.0.2.1").await.end().await, "");
    for other in ["192.0.2.2", "127.0.0.1", "127.0.0.1", "127.0.0.1"] {
        kew.connect_from(other).await.call("GET", "/healthz", "", "").await.expect(200);
    }
    // And when one of them ends, there is room for another
    drop(first);
    loop {
        let mut next = kew.connect_from("192.0.2.1").await;
        // Nobody may be there any more to take it.
        let _ =
            next.stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: kew\r\nconnection: close\r\n\r\n").await;
        if next.end().await.starts_with("HTTP/1.1 200") {
            break;
        }
        tokio::task::yield_now().await;
    }
}
