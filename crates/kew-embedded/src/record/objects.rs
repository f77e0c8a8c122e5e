//! The catalog's objects on disk: queues, consumers, accounts, tokens, event subscriptions.

use kew_model::{
    Account, AccountId, Consumer, ConsumerId, ConsumerKind, DeadLetterLink, EventSource, Jurisdiction,
    Milliseconds, PullSettings, Purge, Queue, QueueId, QueueName, QueueNumber, QueuePattern, QueueSettings,
    ScopeSet, Seconds, SecretHash, Subscription, SubscriptionId, Token, TokenId, WorkerSettings,
};

use super::codec::{Malformed, Reader, Write};

fn name(reader: &mut Reader<'_>) -> Result<QueueName, Malformed> {
    reader.text()?.parse().map_err(|_| reader.malformed())
}

pub(crate) fn put_queue(out: &mut impl Write, queue: &Queue) {
    out.put_u32(queue.number.0);
    out.put(&queue.id.0);
    out.put(&queue.account.0);
    out.put_text(queue.name.as_str());
    out.put_time(queue.created_on);
    out.put_time(queue.modified_on);
    out.put_text(queue.jurisdiction.map_or("", Jurisdiction::name));
    out.put_u32(queue.settings.delivery_delay.0);
    out.put_u8(u8::from(queue.settings.delivery_paused));
    out.put_u32(queue.settings.message_retention_period.0);
    out.put_option(queue.purge.as_ref(), |out, purge| out.put_time(purge.started_at));
    out.put_option(queue.consumer.as_ref(), put_consumer);
}

pub(crate) fn read_queue(reader: &mut Reader<'_>) -> Result<Queue, Malformed> {
    Ok(Queue {
        number: QueueNumber(reader.u32()?),
        id: QueueId(reader.id()?),
        account: AccountId(reader.id()?),
        name: name(reader)?,
        created_on: reader.time()?,
        modified_on: reader.time()?,
        jurisdiction: match reader.text()? {
            "" => None,
            name => Some(Jurisdiction::from_name(name).ok_or(reader.malformed())?),
        },
        settings: QueueSettings {
            delivery_delay: Seconds(reader.u32()?),
            delivery_paused: reader.bool()?,
            message_retention_period: Seconds(reader.u32()?),
        },
        purge: reader.option(|reader| Ok(Purge { started_at: reader.time()? }))?,
        consumer: reader.option(read_consumer)?,
    })
}

fn put_consumer(out: &mut impl Write, consumer: &Consumer) {
    out.put(&consumer.id.0);
    out.put_time(consumer.created_on);
    match &consumer.kind {
        ConsumerKind::HttpPull(settings) => {
            out.put_u8(0);
            out.put_u16(settings.batch_size);
            out.put_u16(settings.max_retries);
            out.put_u32(settings.retry_delay.0);
            out.put_u64(settings.visibility_timeout.0);
        }
        ConsumerKind::Worker(settings) => {
            out.put_u8(1);
            out.put_text(&settings.script_name);
            out.put_text(&settings.environment_name);
            out.put_u16(settings.batch_size);
            out.put_option(settings.max_concurrency.as_ref(), |out, limit| out.put_u16(*limit));
            out.put_u16(settings.max_retries);
            out.put_u64(settings.max_wait.0);
            out.put_u32(settings.retry_delay.0);
        }
    }
    out.put_option(consumer.dead_letter_queue.as_ref(), |out, link| {
        out.put(&link.queue.0);
        out.put_text(link.name.as_str());
    });
}

fn read_consumer(reader: &mut Reader<'_>) -> Result<Consumer, Malformed> {
    Ok(Consumer {
        id: ConsumerId(reader.id()?),
        created_on: reader.time()?,
        kind: match reader.u8()? {
            0 => ConsumerKind::HttpPull(PullSettings {
                batch_size: reader.u16()?,
                max_retries: reader.u16()?,
                retry_delay: Seconds(reader.u32()?),
                visibility_timeout: Milliseconds(reader.u64()?),
            }),
            1 => ConsumerKind::Worker(WorkerSettings {
                script_name: reader.text()?.to_owned(),
                environment_name: reader.text()?.to_owned(),
                batch_size: reader.u16()?,
                max_concurrency: reader.option(Reader::u16)?,
                max_retries: reader.u16()?,
                max_wait: Milliseconds(reader.u64()?),
                retry_delay: Seconds(reader.u32()?),
            }),
            _ => return Err(reader.malformed()),
        },
        dead_letter_queue: reader
            .option(|reader| Ok(DeadLetterLink { queue: QueueId(reader.id()?), name: name(reader)? }))?,
    })
}

pub(crate) fn put_account(out: &mut impl Write, account: &Account) {
    out.put(&account.id.0);
    out.put_text(&account.name);
    out.put_time(account.created_on);
}

pub(crate) fn read_account(reader: &mut Reader<'_>) -> Result<Account, Malformed> {
    Ok(Account { id: AccountId(reader.id()?), name: reader.text()?.to_owned(), created_on: reader.time()? })
}

pub(crate) fn put_token(out: &mut impl Write, token: &Token) {
    out.put(&token.id.0);
    out.put(&token.account.0);
    out.put_text(&token.name);
    out.put(&token.hash.0);
    out.put_option(token.email.as_ref(), |out, email| out.put_text(email));
    out.put_u8(token.scopes.bits());
    match &token.queues {
        QueuePattern::All => out.put_u8(0),
        QueuePattern::Exact(id) => {
            out.put_u8(1);
            out.put(&id.0);
        }
        QueuePattern::Prefix(prefix) => {
            out.put_u8(2);
            out.put_text(prefix);
        }
    }
    out.put_time(token.created_on);
    out.put_option(token.expires_on.as_ref(), |out, at| out.put_time(*at));
}

pub(crate) fn read_token(reader: &mut Reader<'_>) -> Result<Token, Malformed> {
    Ok(Token {
        id: TokenId(reader.id()?),
        account: AccountId(reader.id()?),
        name: reader.text()?.to_owned(),
        hash: SecretHash(reader.hash()?),
        email: reader.option(|reader| reader.text().map(str::to_owned))?,
        scopes: ScopeSet::from_bits(reader.u8()?),
        queues: match reader.u8()? {
            0 => QueuePattern::All,
            1 => QueuePattern::Exact(QueueId(reader.id()?)),
            2 => QueuePattern::Prefix(reader.text()?.to_owned()),
            _ => return Err(reader.malformed()),
        },
        created_on: reader.time()?,
        expires_on: reader.option(Reader::time)?,
    })
}

pub(crate) fn put_subscription(out: &mut impl Write, subscription: &Subscription) {
    out.put(&subscription.id.0);
    out.put(&subscription.account.0);
    out.put_text(&subscription.name);
    out.put_u8(u8::from(subscription.enabled));
    out.put_text(&subscription.source.kind);
    out.put_varint(subscription.source.selector.len() as u64);
    for (field, value) in &subscription.source.selector {
        out.put_text(field);
        out.put_text(value);
    }
    out.put_varint(subscription.events.len() as u64);
    subscription.events.iter().for_each(|event| out.put_text(event));
    out.put(&subscription.destination.0);
    out.put_time(subscription.created_on);
    out.put_time(subscription.modified_on);
}

pub(crate) fn read_subscription(reader: &mut Reader<'_>) -> Result<Subscription, Malformed> {
    let text = |reader: &mut Reader<'_>| reader.text().map(str::to_owned);
    let id = SubscriptionId(reader.id()?);
    let account = AccountId(reader.id()?);
    let name = text(reader)?;
    let enabled = reader.bool()?;
    let kind = text(reader)?;
    let mut selector = Vec::new();
    for _ in 0..reader.varint()? {
        selector.push((text(reader)?, text(reader)?));
    }
    let mut events = Vec::new();
    for _ in 0..reader.varint()? {
        events.push(text(reader)?);
    }
    Ok(Subscription {
        id,
        account,
        name,
        enabled,
        source: EventSource { kind, selector },
        events,
        destination: QueueId(reader.id()?),
        created_on: reader.time()?,
        modified_on: reader.time()?,
    })
}
