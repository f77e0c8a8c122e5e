//! Tokens: created, found and revoked (store-study §7). What a token allows is judged above the seam.

use kew_model::{
    AccountId, Error, NewToken, QueuePattern, Scope, ScopeSet, Seconds, SecretHash, Timestamp, TokenId,
};

use super::stage::{DAY, Stage};
use crate::subject::Subject;
use crate::wait::wait;

fn new_token(id: u8, email: Option<&str>) -> NewToken {
    NewToken {
        id: TokenId([id; 16]),
        name: format!("token {id}"),
        hash: SecretHash([id; 32]),
        email: email.map(str::to_owned),
        scopes: [Scope::Push, Scope::Read].into_iter().collect(),
        queues: QueuePattern::Prefix("jobs-".to_owned()),
        expires_on: Some(Timestamp(4_000_000_000_000)),
    }
}

/// A token is shown as created, and found by id whosever it is.
pub fn a_token_is_shown_as_created<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    stage.advance(Seconds(5));
    let new = new_token(1, None);

    let token = wait(broker.create_token(stage.account, new.clone())).unwrap();

    assert_eq!((token.id, token.account, &token.name), (new.id, stage.account, &new.name));
    assert_eq!((token.hash, &token.email, token.scopes), (new.hash, &new.email, new.scopes));
    assert_eq!((&token.queues, token.expires_on), (&new.queues, new.expires_on));
    assert_eq!(token.created_on, stage.now());
    assert_eq!(broker.token(new.id), Some(token));
    assert_eq!(broker.token(TokenId([2; 16])), None);
}

/// Tokens are listed by account, in the order of creation; an id is taken once.
pub fn tokens_are_listed_in_order<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let other = wait(broker.create_account(None, "other".to_owned())).unwrap().id;
    for (account, id) in [(stage.account, 3), (other, 2), (stage.account, 1)] {
        wait(broker.create_token(account, new_token(id, None))).unwrap();
    }

    let listed: Vec<_> = broker.tokens(stage.account).iter().map(|token| token.id).collect();

    assert_eq!(listed, [TokenId([3; 16]), TokenId([1; 16])]);
    assert_eq!(broker.tokens(other).len(), 1);
    let taken = wait(broker.create_token(stage.account, new_token(2, None)));
    assert_eq!(taken.unwrap_err(), Error::IdTaken);
    let nobody = wait(broker.create_token(AccountId([8; 16]), new_token(4, None)));
    assert_eq!(nobody.unwrap_err(), Error::AccountNotFound);
}

/// The legacy pair finds its tokens by address, in whatever case it is written.
pub fn tokens_are_found_by_email<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    for (id, email) in [(1, Some("Ada@example.com")), (2, Some("ada@EXAMPLE.com")), (3, None)] {
        wait(broker.create_token(stage.account, new_token(id, email))).unwrap();
    }

    let mut found: Vec<_> = broker.tokens_by_email("aDa@example.com").iter().map(|token| token.id).collect();

    found.sort();
    assert_eq!(found, [TokenId([1; 16]), TokenId([2; 16])]);
    assert!(broker.tokens_by_email("ada@example.org").is_empty());
    assert!(broker.tokens_by_email("").is_empty());
}

/// A revoked token is found no more, by no way; and only its own account revokes it.
pub fn a_revoked_token_is_gone<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let other = wait(broker.create_account(None, "other".to_owned())).unwrap().id;
    let id = wait(broker.create_token(stage.account, new_token(1, Some("a@b.c")))).unwrap().id;

    assert_eq!(wait(broker.revoke_token(other, id)).unwrap_err(), Error::TokenNotFound);
    assert!(broker.token(id).is_some());
    wait(broker.revoke_token(stage.account, id)).unwrap();
    stage.let_settings_act();

    assert_eq!(broker.token(id), None);
    assert!(broker.tokens(stage.account).is_empty());
    assert!(broker.tokens_by_email("a@b.c").is_empty());
    assert_eq!(wait(broker.revoke_token(stage.account, id)).unwrap_err(), Error::TokenNotFound);
}

/// An expired token is still found, so that the answer can say that it expired.
pub fn an_expired_token_is_still_found<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let broker = stage.broker();
    let expires_on = Some(stage.now().after(Seconds(1)));
    let new = NewToken {
        scopes: ScopeSet::default().with(Scope::Admin),
        queues: QueuePattern::All,
        expires_on,
        ..new_token(1, None)
    };
    wait(broker.create_token(stage.account, new)).unwrap();

    stage.advance(DAY);
    wait(broker.housekeep()).unwrap();

    assert_eq!(broker.token(TokenId([1; 16])).unwrap().expires_on, expires_on);
}
