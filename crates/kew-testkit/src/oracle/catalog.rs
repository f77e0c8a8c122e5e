//! The oracle's accounts, tokens, queues and consumers.

use std::sync::Arc;

use kew_model::{
    Account, AccountId, Consumer, ConsumerId, DeadLetterLink, Error, Limits, NewConsumer, NewQueue, NewToken,
    Place, Queue, QueueChange, QueueId, QueueName, QueueSettings, Token, TokenId,
};

use super::Moment;
use super::state::{Held, State};

impl State {
    pub(super) fn create_account(
        &mut self,
        moment: &Moment<'_>,
        id: Option<AccountId>,
        name: String,
    ) -> Result<Arc<Account>, Error> {
        let id = id.unwrap_or_else(|| AccountId(moment.chance.id()));
        if self.account(id).is_some() {
            return Err(Error::IdTaken);
        }
        let account = Arc::new(Account { id, name, created_on: moment.now });
        self.accounts.push(account.clone());
        Ok(account)
    }

    pub(super) fn create_token(
        &mut self,
        moment: &Moment<'_>,
        account: AccountId,
        token: NewToken,
    ) -> Result<Arc<Token>, Error> {
        self.account(account).ok_or(Error::AccountNotFound)?;
        if self.tokens.iter().any(|other| other.id == token.id) {
            return Err(Error::IdTaken);
        }
        if self.tokens.iter().filter(|other| other.account == account).count() >= Limits::TOKENS_MAX {
            return Err(Error::TooMany { what: "tokens", limit: Limits::TOKENS_MAX });
        }
        let token = Arc::new(Token {
            id: token.id,
            account,
            name: token.name,
            hash: token.hash,
            email: token.email,
            scopes: token.scopes,
            queues: token.queues,
            created_on: moment.now,
            expires_on: token.expires_on,
        });
        self.tokens.push(token.clone());
        Ok(token)
    }

    pub(super) fn tokens_by_email(&self, email: &str) -> Vec<Arc<Token>> {
        let wanted = email.to_lowercase();
        let carries_it =
            |token: &&Arc<Token>| token.email.as_ref().is_some_and(|it| it.to_lowercase() == wanted);
        self.tokens.iter().filter(carries_it).cloned().collect()
    }

    pub(super) fn revoke_token(&mut self, account: AccountId, id: TokenId) -> Result<(), Error> {
        let is_it = |token: &Arc<Token>| token.account == account && token.id == id;
        let index = self.tokens.iter().position(is_it).ok_or(Error::TokenNotFound)?;
        self.tokens.remove(index);
        Ok(())
    }

    pub(super) fn create_queue(
        &mut self,
        moment: &Moment<'_>,
        account: AccountId,
        new: NewQueue,
    ) -> Result<Arc<Queue>, Error> {
        self.account(account).ok_or(Error::AccountNotFound)?;
        if self.named(account, new.name.as_str()).is_some() {
            return Err(Error::NameTaken { name: new.name });
        }
        if self.queues.iter().any(|held| Some(held.queue.id) == new.id) {
            return Err(Error::IdTaken);
        }
        if self.queues.iter().filter(|held| held.queue.account == account).count() >= Limits::QUEUES_MAX {
            return Err(Error::TooMany { what: "queues", limit: Limits::QUEUES_MAX });
        }
        let queue = Queue {
            number: self.next_queue_number(),
            id: new.id.unwrap_or_else(|| QueueId(moment.chance.id())),
            account,
            name: new.name,
            created_on: moment.now,
            modified_on: moment.now,
            jurisdiction: new.jurisdiction,
            settings: new.settings,
            consumer: None,
            purge: None,
        };
        self.queues.push(Held::new(queue.clone()));
        Ok(Arc::new(queue))
    }

    pub(super) fn update_queue(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        change: QueueChange,
    ) -> Result<Arc<Queue>, Error> {
        self.held(place)?;
        if let Some(name) = change.name {
            self.rename(place, name)?;
        }
        let queue = &mut self.held_mut(place)?.queue;
        let settings = &mut queue.settings;
        settings.delivery_delay = change.delivery_delay.unwrap_or(settings.delivery_delay);
        settings.delivery_paused = change.delivery_paused.unwrap_or(settings.delivery_paused);
        settings.message_retention_period =
            change.message_retention_period.unwrap_or(settings.message_retention_period);
        queue.modified_on = moment.now;
        let queue = Arc::new(queue.clone());
        self.news = true;
        Ok(queue)
    }

    /// Renames a queue; links to it follow.
    fn rename(&mut self, place: Place, name: QueueName) -> Result<(), Error> {
        if self.named(place.account, name.as_str()).is_some_and(|other| !other.is_at(place)) {
            return Err(Error::NameTaken { name });
        }
        let queue = &self.held(place)?.queue;
        let link = queue.consumer.as_ref().and_then(|consumer| consumer.dead_letter_queue.as_ref());
        if queue.name != name && link.is_some_and(|link| link.name == name) {
            return Err(Error::DeadLetterCycle);
        }
        for consumer in self.queues.iter_mut().filter_map(|held| held.queue.consumer.as_mut()) {
            if let Some(link) = consumer.dead_letter_queue.as_mut().filter(|link| link.queue == place.queue) {
                link.name = name.clone();
            }
        }
        self.held_mut(place)?.queue.name = name;
        Ok(())
    }

    pub(super) fn delete_queue(&mut self, place: Place) -> Result<(), Error> {
        self.held(place)?;
        self.queues.retain(|held| !held.is_at(place));
        self.subscriptions.retain(|it| it.account != place.account || it.destination != place.queue);
        self.news = true;
        Ok(())
    }

    pub(super) fn create_consumer(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        new: NewConsumer,
    ) -> Result<Arc<Consumer>, Error> {
        if self.held(place)?.queue.consumer.is_some() {
            return Err(Error::ConsumerExists);
        }
        let id = ConsumerId(moment.chance.id());
        self.put_consumer(moment, place, id, new)
    }

    pub(super) fn replace_consumer(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        id: ConsumerId,
        new: NewConsumer,
    ) -> Result<Arc<Consumer>, Error> {
        if self.held(place)?.queue.consumer.as_ref().is_some_and(|consumer| consumer.id != id) {
            return Err(Error::ConsumerExists);
        }
        self.put_consumer(moment, place, id, new)
    }

    fn put_consumer(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        id: ConsumerId,
        new: NewConsumer,
    ) -> Result<Arc<Consumer>, Error> {
        let dead_letter_queue = match new.dead_letter_queue {
            Some(name) => Some(self.link(moment, place, name)?),
            None => None,
        };
        let queue = &mut self.held_mut(place)?.queue;
        let created_on = queue.consumer.as_ref().map_or(moment.now, |before| before.created_on);
        let consumer = Consumer { id, created_on, kind: new.kind, dead_letter_queue };
        queue.consumer = Some(consumer.clone());
        queue.modified_on = moment.now;
        self.news = true;
        Ok(Arc::new(consumer))
    }

    /// The link to a dead-letter queue, which is created when absent.
    fn link(&mut self, moment: &Moment<'_>, source: Place, name: QueueName) -> Result<DeadLetterLink, Error> {
        let queue = &self.held(source)?.queue;
        if queue.name == name {
            return Err(Error::DeadLetterCycle);
        }
        let jurisdiction = queue.jurisdiction;
        let target = match self.named(source.account, name.as_str()) {
            Some(held) => held.queue.id,
            None => {
                let settings = QueueSettings::default();
                let new = NewQueue { name: name.clone(), id: None, jurisdiction, settings };
                self.create_queue(moment, source.account, new)?.id
            }
        };
        Ok(DeadLetterLink { queue: target, name })
    }

    pub(super) fn delete_consumer(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        id: ConsumerId,
    ) -> Result<(), Error> {
        let queue = &mut self.held_mut(place)?.queue;
        if queue.consumer.as_ref().is_none_or(|consumer| consumer.id != id) {
            return Err(Error::ConsumerNotFound);
        }
        queue.consumer = None;
        queue.modified_on = moment.now;
        self.news = true;
        Ok(())
    }
}
