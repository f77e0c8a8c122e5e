//! The oracle's messages: push, pull, settle, extend, discard and purge.

use std::sync::Arc;

use bytes::Bytes;
use kew_model::{
    AckOutcome, ConsumerKind, ContentType, Error, Extend, ExtendOutcome, Extended, Idempotency, Lease,
    Limits, MessageId, Milliseconds, Peek, Peeked, Place, Pull, PullSettings, Pulled, Purge, PushBatch,
    Pushed, Queue, Retry, RetryOutcome, Seconds, Sequence, Settled, Settlement, Timestamp,
};

use super::Moment;
use super::state::{Held, Message, State};

/// The settings of a queue's pull consumer, if it has one.
pub(super) fn pull_settings(queue: &Queue) -> Option<PullSettings> {
    match queue.consumer.as_ref()?.kind {
        ConsumerKind::HttpPull(settings) => Some(settings),
        ConsumerKind::Worker(_) => None,
    }
}

/// How many bytes a body takes in an answer: text as it is, everything else in base64 (spec §3.1).
fn encoded_bytes(message: &Message) -> u64 {
    let length = message.body.len() as u64;
    if message.content_type == ContentType::Text { length } else { length.div_ceil(3) * 4 }
}

impl State {
    pub(super) fn push(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        batch: &PushBatch,
    ) -> Result<Pushed, Error> {
        let held = self.held_mut(place)?;
        batch.check()?;
        if let Some(request) = batch.idempotency {
            if is_repeated(held, request, moment.now)? {
                return Ok(Pushed { backlog: held.backlog(), repeated: true });
            }
            held.requests.push((moment.now, request));
        }
        let base = MessageId(moment.chance.id());
        for (index, (new, body)) in (0..).zip(batch.iter()) {
            let delay = new.delay.unwrap_or(held.queue.settings.delivery_delay);
            held.append(Message {
                id: MessageId::in_batch(base, index),
                body: Bytes::copy_from_slice(body),
                content_type: new.content_type,
                sent_at: moment.now,
                enqueued_at: moment.now,
                origin: None,
                available_at: moment.now.after(delay),
                attempts: 0,
                fence: None,
                leased_until: None,
            });
        }
        let backlog = held.backlog();
        self.news = true;
        Ok(Pushed { backlog, repeated: false })
    }

    pub(super) fn pull(&mut self, moment: &Moment<'_>, place: Place, pull: Pull) -> Result<Pulled, Error> {
        let held = self.held(place)?;
        let settings = pull_settings(&held.queue).ok_or(Error::PullNotEnabled)?;
        if held.queue.settings.delivery_paused {
            return Err(Error::QueuePaused);
        }
        let most = pull.batch_size.unwrap_or(settings.batch_size);
        let visibility_timeout = pull.visibility_timeout.unwrap_or(settings.visibility_timeout);
        let taken = answer_of(held, moment.now, most);
        let ends_at_once = visibility_timeout == Milliseconds(0);

        let mut pulled = Pulled::empty(held.backlog());
        for sequence in taken {
            let fence = self.next_fence();
            let held = self.held_mut(place)?;
            let queue = held.queue.number;
            let Some(message) = held.messages.get_mut(&sequence) else { continue };
            message.attempts += 1;
            message.fence = Some(fence);
            message.leased_until = Some(moment.now.after(visibility_timeout));
            add_to(&mut pulled, Lease { queue, message: sequence, fence }, message);
        }
        self.news |= ends_at_once && !pulled.messages.is_empty();
        Ok(pulled)
    }

    pub(super) fn peek(&self, moment: &Moment<'_>, place: Place, peek: Peek) -> Result<Peeked, Error> {
        let held = self.held(place)?;
        let usual = pull_settings(&held.queue).map(|settings| settings.batch_size);
        let most = peek.batch_size.or(usual).unwrap_or(Limits::PULL_BATCH_DEFAULT);
        let mut gathered = Pulled::empty(held.backlog());
        for sequence in answer_of(held, moment.now, most) {
            let lease = Lease { queue: held.queue.number, message: sequence, fence: 0 };
            add_to(&mut gathered, lease, &held.messages[&sequence]);
        }
        Ok(gathered.into())
    }

    /// Acks first, then retries, each entry judged after the ones before it. Messages that a settlement exhausts leave
    /// in the order of their sequences, as all do that are exhausted in one moment; so retries are judged in that order.
    pub(super) fn settle(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        settlement: &Settlement,
    ) -> Result<Settled, Error> {
        let held = self.held_mut(place)?;
        let acks = settlement.acks.iter().map(|lease| ack(held, *lease)).collect();
        let mut by_message: Vec<_> = settlement.retries.iter().enumerate().collect();
        by_message.sort_by_key(|(_, retry)| retry.lease.message);
        let mut retries = vec![RetryOutcome::Gone; by_message.len()];
        for (index, retry) in by_message {
            retries[index] = self.retry(moment, place, *retry)?;
        }
        Ok(Settled { acks, retries })
    }

    fn retry(&mut self, moment: &Moment<'_>, place: Place, retry: Retry) -> Result<RetryOutcome, Error> {
        let held = self.held_mut(place)?;
        let lease = retry.lease;
        if lease.queue != held.queue.number {
            return Ok(RetryOutcome::OtherQueue);
        }
        let default_delay = held.queue.consumer.as_ref().map(|consumer| consumer.kind.retry_delay());
        let available_at = moment.now.after(retry.delay.or(default_delay).unwrap_or_default());
        let Some(message) = held.messages.get_mut(&lease.message) else { return Ok(RetryOutcome::Gone) };
        if message.fence != Some(lease.fence) {
            return Ok(RetryOutcome::Redelivered);
        }
        if message.is_leased_under(lease.fence) {
            self.fail(moment, place, lease.message, moment.now, available_at)?;
        } else {
            message.available_at = available_at;
            self.news = true;
        }
        Ok(RetryOutcome::Retried)
    }

    pub(super) fn extend(
        &mut self,
        moment: &Moment<'_>,
        place: Place,
        extend: &Extend,
    ) -> Result<Extended, Error> {
        let held = self.held_mut(place)?;
        let length = extend
            .visibility_timeout
            .or(pull_settings(&held.queue).map(|settings| settings.visibility_timeout))
            .unwrap_or(Milliseconds(Limits::VISIBILITY_TIMEOUT_MS_DEFAULT));
        let deadline = moment.now.after(length);
        let leases = extend.leases.iter().map(|lease| extend_one(held, *lease, deadline)).collect();
        self.news |= length == Milliseconds(0);
        Ok(Extended { leases })
    }

    pub(super) fn discard(&mut self, place: Place, messages: &[Sequence]) -> Result<Vec<bool>, Error> {
        let held = self.held_mut(place)?;
        Ok(messages.iter().map(|sequence| held.messages.remove(sequence).is_some()).collect())
    }

    pub(super) fn purge(&mut self, moment: &Moment<'_>, place: Place) -> Result<Arc<Queue>, Error> {
        let held = self.held_mut(place)?;
        held.messages.clear();
        held.queue.purge = Some(Purge { started_at: moment.now });
        Ok(Arc::new(held.queue.clone()))
    }
}

/// Whether the request was carried out under its key before, which the newest million keys of the last 15 minutes tell
/// (design §8.24). Fails when another one was.
fn is_repeated(held: &Held, request: Idempotency, now: Timestamp) -> Result<bool, Error> {
    let newest = held.requests.iter().rev().take(Limits::IDEMPOTENCY_KEYS_MAX);
    let remembered = |at: Timestamp| now < at.after(Seconds(Limits::IDEMPOTENCY_SECONDS));
    let mut remembered = newest.filter(|(at, _)| remembered(*at)).map(|(_, before)| before);
    match remembered.find(|before| before.key == request.key) {
        Some(before) if before.content != request.content => Err(Error::IdempotencyMismatch),
        before => Ok(before.is_some()),
    }
}

/// Who could be delivered now, by (available at, sequence).
pub(super) fn ready(held: &Held, now: Timestamp) -> Vec<Sequence> {
    let mut ready: Vec<_> = held.messages.iter().filter(|(_, message)| message.is_ready(now)).collect();
    ready.sort_by_key(|(sequence, message)| (message.available_at, **sequence));
    ready.into_iter().map(|(sequence, _)| *sequence).collect()
}

/// The first of them, at most so many, and as many as one answer holds.
fn answer_of(held: &Held, now: Timestamp, most: u16) -> Vec<Sequence> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for sequence in ready(held, now).into_iter().take(usize::from(most)) {
        bytes += encoded_bytes(&held.messages[&sequence]);
        if bytes > Limits::PULL_ANSWER_BYTES_MAX && !taken.is_empty() {
            break;
        }
        taken.push(sequence);
    }
    taken
}

fn add_to(pulled: &mut Pulled, lease: Lease, message: &Message) {
    let length = u32::try_from(message.body.len()).unwrap_or(u32::MAX);
    let chunk = pulled.add_chunk(message.body.clone());
    let Message { id, attempts, sent_at, content_type, .. } = *message;
    pulled.add(id, lease, attempts, sent_at, content_type, chunk, 0..length);
    pulled.set_origin(message.origin);
}

fn ack(held: &mut Held, lease: Lease) -> AckOutcome {
    if lease.queue != held.queue.number {
        AckOutcome::OtherQueue
    } else if held.messages.remove(&lease.message).is_some() {
        AckOutcome::Acked
    } else {
        held.departed.get(&lease.message).copied().unwrap_or(AckOutcome::AlreadyGone)
    }
}

fn extend_one(held: &mut Held, lease: Lease, deadline: Timestamp) -> ExtendOutcome {
    if lease.queue != held.queue.number {
        return ExtendOutcome::OtherQueue;
    }
    match held.messages.get_mut(&lease.message) {
        None => ExtendOutcome::Gone,
        Some(message) if message.is_leased_under(lease.fence) => {
            message.leased_until = Some(deadline);
            ExtendOutcome::Extended
        }
        Some(_) => ExtendOutcome::Ended,
    }
}
