//! The judgement, rule by rule. Whatever a client did not learn counts in the server's favour.

use core::time::Duration;
use std::collections::HashMap;

use super::{Delivery, History, Learned, Push, Rule, Violation};

/// A message as the history saw it: its push, if there was one, and its deliveries by queue, in the order of attempts.
struct Life<'a> {
    key: &'a str,
    push: Option<&'a Push>,
    stays: HashMap<&'a str, Vec<&'a Delivery>>,
}

impl History {
    /// Everything that breaks a rule; empty for a good history.
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for text in &self.malformed {
            found.push(violation(Rule::Record, text.clone()));
        }
        self.check_leases(&mut found);
        let lives = self.lives();
        self.check_losses(&lives, &mut found);
        for life in &lives {
            self.check_origin(life, &mut found);
            self.check_acks(life, &mut found);
            self.check_purges(life, &mut found);
            self.check_dead_letter(life, &mut found);
            for stay in life.stays.values() {
                self.check_first(life, stay, &mut found);
                self.check_attempts(stay, &mut found);
                for pair in stay.windows(2) {
                    self.check_pair(pair[0], pair[1], &mut found);
                }
            }
        }
        found.sort_by(|a, b| (a.rule, &a.text).cmp(&(b.rule, &b.text)));
        found
    }

    fn lives(&self) -> Vec<Life<'_>> {
        let mut lives: HashMap<&str, Life<'_>> = HashMap::new();
        for (key, push) in &self.pushes {
            lives.insert(key, Life { key, push: Some(push), stays: HashMap::new() });
        }
        for delivery in &self.deliveries {
            let key = delivery.key.as_str();
            let life = lives.entry(key).or_insert_with(|| Life { key, push: None, stays: HashMap::new() });
            life.stays.entry(&delivery.queue).or_default().push(delivery);
        }
        for stay in lives.values_mut().flat_map(|life| life.stays.values_mut()) {
            stay.sort_by_key(|delivery| (delivery.attempts, delivery.span.answered));
        }
        lives.into_values().collect()
    }

    /// C10, and that only leases are settled that somebody got.
    fn check_leases(&self, found: &mut Vec<Violation>) {
        let mut holders: HashMap<&str, &Delivery> = HashMap::new();
        for delivery in &self.deliveries {
            if let Some(other) = holders.insert(&delivery.lease, delivery) {
                let (one, two, lease) = (&other.key, &delivery.key, &delivery.lease);
                found.push(violation(Rule::C10, format!("lease {lease} was issued for {one} and for {two}")));
            }
        }
        for lease in self.acks.keys().chain(self.retries.keys()) {
            if !holders.contains_key(lease.as_str()) {
                found.push(violation(Rule::Record, format!("lease {lease} was settled, but nobody got it")));
            }
        }
    }

    /// C1: as many answered pushes as were never delivered must still be there.
    fn check_losses(&self, lives: &[Life<'_>], found: &mut Vec<Violation>) {
        let is_missing = |life: &&Life<'_>| {
            let Some(push) = life.push else { return false };
            push.learned == Learned::Ok && life.stays.is_empty() && !self.may_be_gone_unseen(push)
        };
        let mut missing: Vec<_> = lives.iter().filter(is_missing).map(|life| life.key).collect();
        missing.sort_unstable();
        if missing.len() as u64 > self.left_at_end {
            let some = &missing[..missing.len().min(10)];
            let text = format!(
                "{} answered pushes were never delivered and {} messages are left; such as {some:?}",
                missing.len(),
                self.left_at_end
            );
            found.push(violation(Rule::C1, text));
        }
    }

    /// Whether a purge may have taken the message, or deliveries that nobody saw have used up its attempts.
    fn may_be_gone_unseen(&self, push: &Push) -> bool {
        let dead = self.queues.get(&push.queue).and_then(|rules| rules.dead_letter_queue.as_ref());
        let purged = [Some(&push.queue), dead].into_iter().flatten().any(|queue| {
            self.purges.get(queue).into_iter().flatten().any(|(span, learned)| {
                *learned == Learned::Unknown
                    || (*learned == Learned::Ok && push.span.invoked <= span.answered)
            })
        });
        let used_up = self.queues.get(&push.queue).is_some_and(|rules| {
            let unseen = self.lost_before(&push.queue, Duration::MAX);
            rules.dead_letter_queue.is_none() && unseen > usize::from(rules.max_retries)
        });
        purged || used_up
    }

    /// How many pulls of a queue were sent before `moment` and never answered.
    fn lost_before(&self, queue: &str, moment: Duration) -> usize {
        self.lost_pulls.get(queue).map_or(0, |sent| sent.partition_point(|sent| *sent < moment))
    }

    /// C2.
    fn check_origin(&self, life: &Life<'_>, found: &mut Vec<Violation>) {
        let key = life.key;
        let first = life.stays.values().flatten().min_by_key(|delivery| delivery.span.answered);
        let Some(first) = first else { return };
        let text = match life.push {
            None => format!("{key} was delivered, but never pushed"),
            Some(push) if push.learned == Learned::Failed => {
                format!("{key} was delivered, but its push was refused")
            }
            Some(push) if first.span.answered < push.span.invoked => {
                format!("{key} was delivered at {:?}, before its push", first.span.answered)
            }
            Some(_) => return,
        };
        found.push(violation(Rule::C2, text));
    }

    /// C3.
    fn check_acks(&self, life: &Life<'_>, found: &mut Vec<Violation>) {
        let deliveries = || life.stays.values().flatten();
        let acks = deliveries().flat_map(|delivery| self.acks.get(&delivery.lease).into_iter().flatten());
        let answered = acks.filter(|ack| ack.learned == Learned::Ok).map(|ack| ack.span.answered).min();
        let Some(acked) = answered else { return };
        if let Some(later) = deliveries().find(|delivery| delivery.span.invoked > acked) {
            let (key, invoked, queue) = (life.key, later.span.invoked, &later.queue);
            let text = format!(
                "{key} was acked by {acked:?}, and a pull of {queue} sent at {invoked:?} returned it"
            );
            found.push(violation(Rule::C3, text));
        }
    }

    /// C7.
    fn check_purges(&self, life: &Life<'_>, found: &mut Vec<Violation>) {
        // One that was not answered may have come to pass after the purge.
        let Some(push) = life.push.filter(|push| push.learned == Learned::Ok) else { return };
        let purges = self.purges.get(&push.queue).into_iter().flatten();
        let answered = purges
            .filter(|(span, learned)| *learned == Learned::Ok && push.span.answered < span.invoked)
            .map(|(span, _)| span.answered)
            .min();
        let mut stay = life.stays.get(push.queue.as_str()).into_iter().flatten();
        let later = stay.find(|delivery| answered.is_some_and(|purged| delivery.span.invoked > purged));
        if let Some(later) = later {
            let (key, invoked) = (life.key, later.span.invoked);
            let text = format!("{key} was purged, and a pull sent at {invoked:?} returned it");
            found.push(violation(Rule::C7, text));
        }
    }

    /// C6, for the delay of the push. A dead letter waits for nothing of its own.
    fn check_first(&self, life: &Life<'_>, stay: &[&Delivery], found: &mut Vec<Violation>) {
        let (Some(push), Some(first)) = (life.push, stay.first()) else { return };
        let available = push.span.invoked + push.delay;
        if first.queue == push.queue && first.span.answered + self.clock_slack < available {
            let (key, delay, answered) = (life.key, push.delay, first.span.answered);
            let text = format!("{key} was delivered at {answered:?}, within its delay of {delay:?}");
            found.push(violation(Rule::C6, text));
        }
    }

    /// C5, within one queue: no attempt is skipped that a lost pull does not explain, and none is over the limit.
    fn check_attempts(&self, stay: &[&Delivery], found: &mut Vec<Violation>) {
        for (seen, delivery) in (1..).zip(stay) {
            let Delivery { key, queue, attempts, .. } = delivery;
            let unseen = usize::from(*attempts).saturating_sub(seen);
            if *attempts == 0 || unseen > self.lost_before(queue, delivery.span.answered) {
                let text = format!("{key} came from {queue} with attempts {attempts} as its delivery {seen}");
                found.push(violation(Rule::C5, text));
            }
            let allowed = self.queues.get(queue).map(|rules| rules.max_retries + 1);
            if allowed.is_some_and(|allowed| *attempts > allowed) {
                let text = format!("{key} came from {queue} with attempts {attempts} of {allowed:?} allowed");
                found.push(violation(Rule::C5, text));
            }
        }
    }

    /// C5, between two queues: a dead letter has failed as often as allowed, and is not in its old queue any more.
    fn check_dead_letter(&self, life: &Life<'_>, found: &mut Vec<Violation>) {
        let Some(push) = life.push else { return };
        let Some(rules) = self.queues.get(&push.queue) else { return };
        let Some(dead) = rules.dead_letter_queue.as_ref().and_then(|dead| life.stays.get(dead.as_str()))
        else {
            return;
        };
        let Some(arrived) = dead.iter().map(|delivery| delivery.span.answered).min() else { return };
        let before = life.stays.get(push.queue.as_str()).map_or(&[][..], Vec::as_slice);
        let key = life.key;
        let allowed = usize::from(rules.max_retries) + 1;
        if before.len() + self.lost_before(&push.queue, arrived) < allowed {
            let text = format!("{key} was dead-lettered after {} of {allowed} deliveries", before.len());
            found.push(violation(Rule::C5, text));
        }
        if before.iter().any(|delivery| delivery.span.invoked > arrived) {
            let text = format!("{key} came from {} after it had been dead-lettered", push.queue);
            found.push(violation(Rule::C5, text));
        }
    }

    /// What must lie between two deliveries of a message from one queue that follow each other by their attempts:
    /// C8 (counted), C5 (in order), C4 (not during the lease) and C6 (not during a retry's delay).
    fn check_pair(&self, one: &Delivery, next: &Delivery, found: &mut Vec<Violation>) {
        let (key, answered) = (&one.key, next.span.answered);
        if one.attempts == next.attempts {
            let text = format!("{key} was delivered twice as attempt {}", one.attempts);
            found.push(violation(Rule::C8, text));
            return;
        }
        if answered < one.span.invoked {
            let text = format!("{key} was delivered as attempt {} before {}", next.attempts, one.attempts);
            found.push(violation(Rule::C5, text));
            return;
        }
        let retries = self.retries.get(&one.lease).into_iter().flatten();
        let retries: Vec<_> = retries.filter(|retry| retry.learned != Learned::Failed).collect();
        let given_back = retries.iter().any(|retry| retry.span.invoked <= answered);
        let extended = self.extended.get(&one.lease).copied().unwrap_or_default();
        let deadline = extended.max(one.span.invoked + one.visibility_timeout);
        if !given_back && answered + self.clock_slack < deadline {
            let text =
                format!("{key} was delivered at {answered:?} under a lease until {deadline:?} or later");
            found.push(violation(Rule::C4, text));
        }
        let follows = next.attempts == one.attempts + 1;
        let earliest = retries.iter().map(|retry| retry.span.invoked + retry.delay).min();
        let certain = retries.iter().any(|retry| retry.learned == Learned::Ok);
        if let Some(earliest) = earliest.filter(|_| follows && certain)
            && answered + self.clock_slack < earliest
        {
            let text =
                format!("{key} was delivered at {answered:?}, held back by a retry until {earliest:?}");
            found.push(violation(Rule::C6, text));
        }
    }
}

fn violation(rule: Rule, text: String) -> Violation {
    Violation { rule, text }
}
