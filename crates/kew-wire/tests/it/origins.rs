//! The names of the queues that dead letters came from.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use kew_model::{Backlog, ContentType, Lease, MessageId, Pulled, Queue, QueueNumber, Sequence};
use kew_wire::lease_id::KeyRing;
use kew_wire::messages::{BodyEncoding, Origins, write_pulled};
use serde_json::Value;

use crate::queues::jobs;
use crate::{Fixed, MOMENT};

fn queue(number: QueueNumber, name: &str) -> Arc<Queue> {
    Arc::new(Queue { number, name: name.parse().unwrap(), ..jobs() })
}

/// A pull of messages that came from these queues.
fn pulled(origins: &[Option<QueueNumber>]) -> Pulled {
    let mut pulled = Pulled::empty(Backlog::default());
    let chunk = pulled.add_chunk(Bytes::from_static(b"x"));
    for origin in origins {
        let lease = Lease { queue: QueueNumber(9), message: Sequence(1), fence: 1 };
        pulled.add(MessageId([0xb0; 16]), lease, 1, MOMENT, ContentType::Text, chunk, 0..1);
        pulled.set_origin(*origin);
    }
    pulled
}

#[test]
fn dead_letters_name_their_queue_which_is_looked_up_once() {
    // Given messages from two queues that may be named, from one that may not, and from none.
    let (jobs, mail, hidden) = (QueueNumber(1), QueueNumber(2), QueueNumber(3));
    let came_from = [Some(jobs), Some(jobs), Some(hidden), Some(mail), Some(jobs), None];
    let pulled = pulled(&came_from);

    // When the queues are looked up and the answer is written.
    let asked = RefCell::new(Vec::new());
    let origins = Origins::of(came_from.into_iter().flatten(), |number| {
        asked.borrow_mut().push(number);
        (number != hidden).then(|| queue(number, if number == jobs { "jobs" } else { "mail" }))
    });
    let answer = write_pulled(&pulled, &KeyRing::generate(&Fixed(1)), BodyEncoding::Plain, &origins);

    // Then each message names its own, a queue that is hidden looks like none, and nobody was asked twice.
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let messages = answer["result"]["messages"].as_array().unwrap();
    let named: Vec<_> =
        messages.iter().map(|message| message["metadata"]["Kew-Origin-Queue"].as_str()).collect();
    assert_eq!(named, [Some("jobs"), Some("jobs"), None, Some("mail"), Some("jobs"), None]);
    assert_eq!(asked.into_inner(), [jobs, hidden, mail]);
}
