//! One message for each push, whatever was repeated: the judgement on idempotency keys and on ids that are kept.
//!
//! A key in a body stands for one message. When a push is repeated under its idempotency key and yet happens twice, two
//! messages with different ids bear the same key; a move to another queue and back keeps the id.

use std::collections::HashMap;

use kew_testkit::history::Learned;

use crate::record::{Event, Record};

/// Whatever is wrong with the identity of a record's messages, in words.
pub fn violations(record: &Record) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids: HashMap<&str, &str> = HashMap::new();
    let mut keys: HashMap<&str, &str> = HashMap::new();
    for event in &record.events {
        match event {
            Event::Pull { delivered, .. } => {
                for message in delivered {
                    let id = *ids.entry(&message.key).or_insert(&message.id);
                    let key = *keys.entry(&message.id).or_insert(&message.key);
                    if id != message.id {
                        found.push(format!("{} was delivered as {id} and as {}", message.key, message.id));
                    }
                    if key != message.key {
                        found.push(format!("{} stands for {key} and for {}", message.id, message.key));
                    }
                }
            }
            Event::Repeat { key, before: Learned::Ok, is_repeat: false } => {
                found.push(format!("{key} was answered, and repeated as if it had not been"));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use kew_testkit::history::Span;

    use super::*;
    use crate::record::Message;

    fn pull(key: &str, id: &str) -> Event {
        let message =
            Message { key: key.to_owned(), id: id.to_owned(), lease: "lease".to_owned(), attempts: 1 };
        Event::Pull {
            queue: "queue".to_owned(),
            span: Span { invoked: Duration::ZERO, answered: Duration::ZERO },
            visibility_timeout: Duration::ZERO,
            delivered: vec![message],
        }
    }

    fn repeat(before: Learned, is_repeat: bool) -> Event {
        Event::Repeat { key: "key".to_owned(), before, is_repeat }
    }

    fn count(events: Vec<Event>) -> usize {
        violations(&Record { events }).len()
    }

    #[test]
    fn a_message_has_one_id_and_an_id_one_message() {
        assert_eq!(count(vec![pull("a", "1"), pull("a", "1"), pull("b", "2")]), 0);
        assert_eq!(count(vec![pull("a", "1"), pull("a", "2")]), 1);
        assert_eq!(count(vec![pull("a", "1"), pull("b", "1")]), 1);
    }

    #[test]
    fn an_answered_push_that_is_carried_out_again_is_noticed() {
        assert_eq!(count(vec![repeat(Learned::Ok, true), repeat(Learned::Unknown, true)]), 0);
        assert_eq!(count(vec![repeat(Learned::Unknown, false)]), 0, "it had not happened");
        assert_eq!(count(vec![repeat(Learned::Ok, false)]), 1);
    }
}
