//! What a check found, for people: tables, then what is wrong, then the sum of it.

use super::{Answer, Copy, Finding, Loss};
use crate::output;

impl Answer {
    pub(in crate::check) fn text(&self) -> String {
        let mut parts = vec![format!("Store {} in {}", self.store_id, self.folder)];
        if !self.queues.is_empty() {
            parts.push(self.queue_table());
        }
        if !self.segments.is_empty() {
            parts.push(self.segment_table());
        }
        if !self.checkpoints.is_empty() {
            parts.push(self.checkpoint_table());
        }
        let wrong = self.wrong();
        if !wrong.is_empty() {
            parts.push(wrong.join("\n"));
        }
        parts.push(self.verdict());
        parts.join("\n\n")
    }

    fn queue_table(&self) -> String {
        let mut table = output::table(&["queue", "id", "messages", "bytes", "leased", "delayed", "read"]);
        for queue in &self.queues {
            let counts = [queue.messages, queue.bytes, queue.leased, queue.delayed, queue.messages_read];
            let names = [queue.name.clone(), queue.id.clone()];
            table.add_row(names.into_iter().chain(counts.map(|number| number.to_string())));
        }
        table.to_string()
    }

    fn segment_table(&self) -> String {
        let mut table = output::table(&["segment", "payloads", "bytes", "messages that live"]);
        for segment in &self.segments {
            let payloads = match (segment.first_payload, segment.last_payload) {
                (first, last) if first > last => "-".to_owned(),
                (first, last) => format!("{first}-{last}"),
            };
            let counts = [u64::from(segment.bytes), segment.live_messages].map(|number| number.to_string());
            table.add_row([segment.file.clone(), payloads].into_iter().chain(counts));
        }
        table.to_string()
    }

    fn checkpoint_table(&self) -> String {
        let mut table = output::table(&["checkpoint", "covers up to", "bytes", "state"]);
        for checkpoint in &self.checkpoints {
            let state = if checkpoint.whole { "whole" } else { "damaged" };
            let counts = [checkpoint.covers, checkpoint.bytes].map(|number| number.to_string());
            table.add_row([checkpoint.file.clone()].into_iter().chain(counts).chain([state.to_owned()]));
        }
        table.to_string()
    }

    fn wrong(&self) -> Vec<String> {
        let findings = self.findings.iter().map(Finding::line);
        let losses = self.losses.iter().map(Loss::line);
        let rules = self.rules_broken.iter().map(|rule| format!("broken rule: {rule}"));
        findings.chain(losses).chain(rules).collect()
    }

    fn verdict(&self) -> String {
        let read = output::count(self.messages_read, "message");
        let mut lines = Vec::new();
        if self.whole {
            let frames = output::count(self.payloads_read, "frame");
            lines.push(format!("Whole: {frames} and {read} were read, and nothing is wrong."));
        } else {
            let lost: u64 = self.losses.iter().map(|loss| loss.messages).sum();
            lines.push(format!("Damaged: {read} can be read, {lost} cannot."));
            lines.extend(self.refusal.iter().map(|refusal| format!("A server does not open it: {refusal}")));
        }
        match &self.copy {
            Some(copy) => lines.extend(copy.lines()),
            None if self.whole => {}
            None => lines.push(
                "Restore a backup, or copy what is whole: kew check --data DIR --salvage NEW_DIR".to_owned(),
            ),
        }
        lines.join("\n")
    }
}

impl Copy {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "Copied to {}: {} in {}. Lease ids and refs that were given before open nothing there.",
            self.folder,
            output::count(self.messages, "message"),
            output::count(self.queues as u64, "queue")
        )];
        lines.extend(self.broken_after.map(|after| {
            format!(
                "The log breaks off after payload {after}. Of what came later, pushes, acks and settings were taken over \
                 as far as they are intact; leases and attempts were not, so messages may come again."
            )
        }));
        lines
    }
}

impl Loss {
    fn line(&self) -> String {
        let Self { queue, first, last, messages, .. } = self;
        let range = match first == last {
            true => format!("message {first} of queue {queue}"),
            false => format!("messages {first} to {last} of queue {queue}, {messages} of which lived"),
        };
        let place = self.file.as_ref().map_or_else(String::new, |file| format!(" in {file}"));
        format!("lost: {range}{place}")
    }
}

impl Finding {
    fn line(&self) -> String {
        let kind = if self.damage { "damaged" } else { "note" };
        let end = self.end.map_or_else(String::new, |end| format!(" to {end}"));
        let missing = match (self.first_payload, self.last_payload) {
            (Some(first), Some(last)) if first == last => format!("; payload {first} is missing"),
            (Some(first), Some(last)) => format!("; payloads {first} to {last} are missing"),
            _ => String::new(),
        };
        format!("{kind}: {} at byte {}{end}: {}{missing}", self.file, self.offset, self.reason)
    }
}
