//! Accounts, tokens, queues and event subscriptions by their names: the writer's own copy and the published one that
//! requests read.
//!
//! Both are the same structure fed with the same changes: the writer's when a record is applied, the published one
//! when that record is durable. So what a request sees there has happened for good (contract B2 of `kew_model`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kew_model::{
    Account, AccountId, Place, Queue, QueueId, QueueNumber, Subscription, SubscriptionId, Token, TokenId,
};

/// A change to the catalog.
#[derive(Debug, Clone)]
pub(crate) enum CatalogChange {
    Account(Arc<Account>),
    Token(Arc<Token>),
    TokenRevoked(TokenId),
    Queue(Arc<Queue>),
    QueueDeleted(QueueNumber),
    Subscription(Arc<Subscription>),
    SubscriptionDeleted(AccountId, SubscriptionId),
}

/// Accounts, tokens and queues.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    /// In the order of creation.
    accounts: Vec<Arc<Account>>,
    tokens: HashMap<TokenId, Arc<Token>>,
    /// In the order of creation, by account.
    token_order: BTreeMap<(AccountId, u64), TokenId>,
    tokens_made: u64,
    /// Tokens that carry an e-mail address, by that address in lower case, in the order of creation.
    token_emails: HashMap<Box<str>, Vec<TokenId>>,
    queues: BTreeMap<QueueNumber, Arc<Queue>>,
    /// By what requests name them by, which is one look where many queues are in use.
    queue_ids: HashMap<QueueId, Arc<Queue>>,
    queue_names: HashMap<AccountId, BTreeMap<Box<str>, QueueNumber>>,
    /// In the order of creation, by account.
    subscriptions: BTreeMap<(AccountId, u64), Arc<Subscription>>,
    subscription_places: HashMap<(AccountId, SubscriptionId), u64>,
    subscriptions_made: u64,
}

impl Catalog {
    pub(crate) fn apply(&mut self, change: &CatalogChange) {
        match change {
            CatalogChange::Account(account) => match self.accounts.iter_mut().find(|a| a.id == account.id) {
                Some(old) => *old = Arc::clone(account),
                None => self.accounts.push(Arc::clone(account)),
            },
            CatalogChange::Token(token) => {
                self.tokens_made += 1;
                self.token_order.insert((token.account, self.tokens_made), token.id);
                self.forget_email(token.id);
                if let Some(email) = &token.email {
                    self.token_emails.entry(email.to_lowercase().into()).or_default().push(token.id);
                }
                self.tokens.insert(token.id, Arc::clone(token));
            }
            CatalogChange::TokenRevoked(id) => {
                self.forget_email(*id);
                self.tokens.remove(id);
                self.token_order.retain(|_, token| token != id);
            }
            CatalogChange::Queue(queue) => {
                self.forget_name(queue.number);
                let names = self.queue_names.entry(queue.account).or_default();
                names.insert(queue.name.as_str().into(), queue.number);
                self.queue_ids.insert(queue.id, Arc::clone(queue));
                self.queues.insert(queue.number, Arc::clone(queue));
            }
            CatalogChange::QueueDeleted(number) => {
                self.forget_name(*number);
                if let Some(queue) = self.queues.remove(number) {
                    self.queue_ids.remove(&queue.id);
                }
            }
            CatalogChange::Subscription(subscription) => {
                let Subscription { account, id, .. } = **subscription;
                let made = &mut self.subscriptions_made;
                let place = *self.subscription_places.entry((account, id)).or_insert_with(|| {
                    *made += 1;
                    *made
                });
                self.subscriptions.insert((account, place), Arc::clone(subscription));
            }
            CatalogChange::SubscriptionDeleted(account, id) => {
                let place = self.subscription_places.remove(&(*account, *id));
                place.map(|place| self.subscriptions.remove(&(*account, place)));
            }
        }
    }

    fn forget_email(&mut self, id: TokenId) {
        let Some(email) = self.tokens.get(&id).and_then(|token| token.email.as_ref()) else { return };
        let email = email.to_lowercase();
        if let Some(ids) = self.token_emails.get_mut(email.as_str()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.token_emails.remove(email.as_str());
            }
        }
    }

    fn forget_name(&mut self, number: QueueNumber) {
        if let Some(old) = self.queues.get(&number) {
            self.queue_names.get_mut(&old.account).map(|names| names.remove(old.name.as_str()));
        }
    }

    /// Finds queues by their present names and ids alone. While a log is replayed over queues of different moments, two may
    /// have the same ones for a time.
    pub(crate) fn settle_names(&mut self) {
        self.queue_names.clear();
        self.queue_ids.clear();
        for queue in self.queues.values() {
            let names = self.queue_names.entry(queue.account).or_default();
            names.insert(queue.name.as_str().into(), queue.number);
            self.queue_ids.insert(queue.id, Arc::clone(queue));
        }
    }

    pub(crate) fn accounts(&self) -> &[Arc<Account>] {
        &self.accounts
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.iter().find(|account| account.id == id)
    }

    pub(crate) fn token(&self, id: TokenId) -> Option<&Arc<Token>> {
        self.tokens.get(&id)
    }

    /// The tokens of an account, in the order of creation.
    pub(crate) fn tokens(&self, account: AccountId) -> impl Iterator<Item = &Arc<Token>> {
        self.token_order.range((account, 0)..=(account, u64::MAX)).filter_map(|(_, id)| self.tokens.get(id))
    }

    /// The tokens that carry an e-mail address, in whatever case it is written.
    pub(crate) fn tokens_by_email(&self, email: &str) -> impl Iterator<Item = &Arc<Token>> {
        let ids = self.token_emails.get(email.to_lowercase().as_str());
        ids.into_iter().flatten().filter_map(|id| self.tokens.get(id))
    }

    /// All tokens, in the order of creation within each account.
    pub(crate) fn all_tokens(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.token_order.values().filter_map(|id| self.tokens.get(id))
    }

    /// The queues of an account, in the order of creation.
    pub(crate) fn queues(&self, account: AccountId) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.values().filter(move |queue| queue.account == account)
    }

    pub(crate) fn queue_count(&self, account: AccountId) -> usize {
        self.queue_names.get(&account).map_or(0, BTreeMap::len)
    }

    pub(crate) fn has_queue_id(&self, id: QueueId) -> bool {
        self.queue_ids.contains_key(&id)
    }

    pub(crate) fn queue(&self, place: Place) -> Option<&Arc<Queue>> {
        self.queue_ids.get(&place.queue).filter(|queue| queue.account == place.account)
    }

    pub(crate) fn queue_numbered(&self, account: AccountId, number: QueueNumber) -> Option<&Arc<Queue>> {
        self.queues.get(&number).filter(|queue| queue.account == account)
    }

    pub(crate) fn queue_named(&self, account: AccountId, name: &str) -> Option<&Arc<Queue>> {
        self.queues.get(self.queue_names.get(&account)?.get(name)?)
    }

    /// The event subscriptions of an account, in the order of creation.
    pub(crate) fn subscriptions(&self, account: AccountId) -> impl Iterator<Item = &Arc<Subscription>> {
        self.subscriptions.range((account, 0)..=(account, u64::MAX)).map(|(_, subscription)| subscription)
    }

    /// All event subscriptions, in the order of creation within each account.
    pub(crate) fn all_subscriptions(&self) -> impl ExactSizeIterator<Item = &Arc<Subscription>> {
        self.subscriptions.values()
    }

    pub(crate) fn subscription(&self, account: AccountId, id: SubscriptionId) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(&(account, *self.subscription_places.get(&(account, id))?))
    }
}
