//! Kew's own calls: accounts and tokens (design §8.20).

use kew_model::{AccountId, QueueId, QueuePattern, Scope, SecretHash, Timestamp, Token, TokenId};
use kew_wire::access::{NewTokenRequest, Secret, TokenView, read_new_account, read_new_token};

use crate::{MOMENT, shown};

#[test]
fn an_account_may_choose_its_id() {
    assert_eq!(read_new_account(b"").unwrap(), (None, String::new()));
    let id = "023e105f4ecef8ad9ca31a8372d0c353";
    let read = read_new_account(format!(r#"{{"id":"{id}","name":"Team \"A\""}}"#).as_bytes()).unwrap();
    assert_eq!(read, (Some(id.parse::<AccountId>().unwrap()), "Team \"A\"".into()));
    assert_eq!(shown(read_new_account(br#"{"id":"x"}"#)).2, "/id");
    assert_eq!(shown(read_new_account(br#"{"name":"a\nb"}"#)).2, "/name");
}

#[test]
fn a_token_reads_what_the_command_line_writes() {
    let request = NewTokenRequest {
        name: Some("ci".into()),
        scopes: vec!["push".into(), "read".into()],
        queue_prefix: Some("ci-".into()),
        expires_on: Some("2024-05-20T14:43:56.704Z".into()),
        email: Some("Ann@Example.com".into()),
        ..NewTokenRequest::default()
    };
    let read = read_new_token(&serde_json::to_vec(&request).unwrap()).unwrap();
    assert_eq!(read.name, "ci");
    assert_eq!(read.scopes, [Scope::Push, Scope::Read].into_iter().collect());
    assert_eq!(read.queues, QueuePattern::Prefix("ci-".into()));
    assert_eq!(read.expires_on, Some(MOMENT));
    assert_eq!(read.email.as_deref(), Some("ann@example.com"));
}

#[test]
fn wrong_tokens_are_pointed_at() {
    for (body, pointer) in [
        ("{}", "/scopes"),
        (r#"{"scopes":[]}"#, "/scopes"),
        (r#"{"scopes":["root"]}"#, "/scopes"),
        (r#"{"scopes":[1]}"#, "/scopes"),
        (r#"{"scopes":["push"],"queue_id":"x"}"#, "/queue_id"),
        (
            r#"{"scopes":["push"],"queue_id":"023e105f4ecef8ad9ca31a8372d0c353","queue_prefix":"a"}"#,
            "/queue_prefix",
        ),
        (r#"{"scopes":["push"],"expires_on":"soon"}"#, "/expires_on"),
        (r#"{"scopes":["push"],"email":"ann"}"#, "/email"),
    ] {
        let refused = shown(read_new_token(body.as_bytes()));
        assert_eq!((refused.0, refused.2.as_str()), (10_026, pointer), "{body}");
    }
}

#[test]
fn a_token_is_shown_without_its_secret() {
    let token = Token {
        id: TokenId([4; 16]),
        account: AccountId([1; 16]),
        name: "ci".into(),
        hash: SecretHash([0xee; 32]),
        email: None,
        scopes: [Scope::Push, Scope::Admin].into_iter().collect(),
        queues: QueuePattern::Exact(QueueId([2; 16])),
        created_on: MOMENT,
        expires_on: Some(Timestamp(MOMENT.0 + 1000)),
    };
    assert_eq!(
        serde_json::to_string(&TokenView::of(&token)).unwrap(),
        concat!(
            r#"{"id":"04040404040404040404040404040404","account_id":"01010101010101010101010101010101","name":"ci","#,
            r#""scopes":["push","admin"],"queue_id":"02020202020202020202020202020202","queue_prefix":null,"email":null,"#,
            r#""created_on":"2024-05-20T14:43:56.704Z","expires_on":"2024-05-20T14:43:57.704Z"}"#
        )
    );
}

#[test]
fn a_secret_shows_that_it_is_one_and_nothing_else() {
    let secret = Secret::new("kew_open_sesame");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert_eq!(secret.reveal(), "kew_open_sesame");
}
