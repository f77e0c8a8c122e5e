//! A request is judged when all of it is there: what a token has lost while its body was on the way, it has lost.

use kew_model::{Broker as _, QueueChange, QueuePattern, Scope};

use crate::kew::{ACCOUNT, JOBS, Kew, PLACE};

const BODY: &str = r#"{"body":"late","content_type":"text"}"#;

/// Sends a push whose body stops in the middle, lets `meanwhile` happen, and sends the rest.
async fn push_with_a_pause(kew: &Kew, credential: &str, meanwhile: impl AsyncFnOnce()) -> (u16, u64) {
    let mut client = kew.connect().await;
    let (start, rest) = BODY.split_at(5);
    let length = BODY.len();
    let head = format!(
        "POST {JOBS}/messages HTTP/1.1\r\nhost: kew\r\n{credential}\r\ncontent-length: {length}\r\n\r\n"
    );
    client.send(head).await;
    client.send(start).await;
    // Its head has been judged once another request on another connection is through.
    kew.call_as("", "GET", "/healthz", "").await.expect(200);
    meanwhile().await;
    client.send(rest).await;
    client.answer().await.failure()
}

#[tokio::test]
async fn a_token_revoked_while_its_body_comes_opens_nothing() {
    let kew = Kew::start().await;
    let credential = kew.token(&[Scope::Push], QueuePattern::All).await;
    let before: Vec<_> = kew.broker.tokens(ACCOUNT).iter().map(|token| token.id).collect();

    let refused = push_with_a_pause(&kew, &credential, async || {
        let newest = before.last().copied().unwrap();
        kew.broker.revoke_token(ACCOUNT, newest).await.unwrap();
    });

    assert_eq!(refused.await, (401, 10_000));
    assert_eq!(kew.broker.backlog(PLACE).await.unwrap().count, 0);
}

#[tokio::test]
async fn a_queue_renamed_out_of_a_tokens_prefix_while_the_body_comes_is_not_its_own() {
    let kew = Kew::start().await;
    let credential = kew.token(&[Scope::Push], QueuePattern::Prefix("jo".to_owned())).await;

    let refused = push_with_a_pause(&kew, &credential, async || {
        let change = QueueChange { name: Some("other".parse().unwrap()), ..QueueChange::default() };
        kew.broker.update_queue(PLACE, change).await.unwrap();
    });

    assert_eq!(refused.await, (404, 10_104));
    assert_eq!(kew.broker.backlog(PLACE).await.unwrap().count, 0);
}
