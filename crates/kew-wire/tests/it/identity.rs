//! Who a caller is (spec §2.13).

use kew_model::{Account, AccountId, QueuePattern, Scope, SecretHash, Token, TokenId};
use kew_wire::access::{Identity, MembershipView, UserView, write_verified};

use crate::{MOMENT, text};

fn token(email: Option<&str>) -> Token {
    Token {
        id: TokenId([4; 16]),
        account: AccountId([1; 16]),
        name: "ci".into(),
        hash: SecretHash([0xee; 32]),
        email: email.map(str::to_owned),
        scopes: [Scope::Push, Scope::Read].into_iter().collect(),
        queues: QueuePattern::All,
        created_on: MOMENT,
        expires_on: email.map(|_| MOMENT),
    }
}

#[test]
fn a_valid_token_is_told_so_with_the_message_that_people_look_for() {
    assert_eq!(
        text(write_verified(&Identity::of(&token(None)))),
        concat!(
            r#"{"success":true,"errors":[],"messages":[{"code":10000,"message":"This API Token is valid and active","type":null}],"#,
            r#""result":{"id":"04040404040404040404040404040404","status":"active"}}"#
        )
    );
    let expiring = text(write_verified(&Identity::of(&token(Some("ann@example.com")))));
    assert!(expiring.contains(r#""expires_on":"2024-05-20T14:43:56.704Z""#), "{expiring}");
}

#[test]
fn a_user_has_the_address_of_its_key_or_one_that_shows_what_it_is() {
    let email = |identity: Identity| UserView::of(&identity).email;
    assert_eq!(email(Identity::of(&token(Some("ann@example.com")))), "ann@example.com");
    assert_eq!(email(Identity::of(&token(None))), "token-04040404040404040404040404040404@localhost");
    assert_eq!(email(Identity::developer(AccountId([1; 16]))), "developer@localhost");
}

#[test]
fn a_membership_names_the_account_and_the_tokens_scopes() {
    let account = Account { id: AccountId([1; 16]), name: "team".into(), created_on: MOMENT };
    let view = MembershipView::of(&Identity::of(&token(None)), &account);
    assert_eq!(
        serde_json::to_string(&view).unwrap(),
        concat!(
            r#"{"id":"04040404040404040404040404040404","account":{"id":"01010101010101010101010101010101","name":"team","#,
            r#""type":"standard","created_on":"2024-05-20T14:43:56.704Z"},"roles":["push","read"],"status":"accepted","#,
            r#""api_access_enabled":true}"#
        )
    );
    let developer = MembershipView::of(&Identity::developer(AccountId([1; 16])), &account);
    assert_eq!(developer.roles, ["admin"]);
}
