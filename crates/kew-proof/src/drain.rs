//! Takes out of the queues whatever is left, at the end of a run.

use core::time::Duration;

use kew_testkit::history::{Learned, Span};
use serde_json::Value;

use crate::PATIENCE;
use crate::connection::Connection;
use crate::load::read_delivered;
use crate::record::{Event, Record};
use crate::site::{Queues, Site};
use crate::stopwatch::Stopwatch;

/// How long the drain's own leases last: longer than it takes to ack them.
const VISIBILITY: Duration = Duration::from_secs(60);

/// Pulls and acks until all queues count no message any more, leased and delayed ones included.
///
/// # Panics
/// When a request fails, or the queues are not empty after [`PATIENCE`].
pub fn drain(site: &Site, watch: Stopwatch) -> Record {
    let mut connection = Connection::open(site.address).expect("a server that says it is ready");
    let mut record = Record::default();
    let start = watch.elapsed();
    loop {
        let mut left = 0;
        // A message may go from a queue to its dead-letter queue meanwhile, so this is the order to look in.
        let Queues { work, dead, once, failed, purged } = &site.queues;
        for queue in [work, dead, once, failed, purged] {
            left += drain_once(site, watch, &mut connection, queue, &mut record);
        }
        if left == 0 {
            return record;
        }
        assert!(watch.elapsed() - start < PATIENCE, "{left} messages are still there after {PATIENCE:?}");
    }
}

/// One pull and the ack of what it brought; tells how many messages the queue still counts.
fn drain_once(
    site: &Site,
    watch: Stopwatch,
    connection: &mut Connection,
    queue: &str,
    record: &mut Record,
) -> u64 {
    let mut ask = |verb: &str, body: &str| -> (Span, Value) {
        let invoked = watch.elapsed();
        let answer = connection.post(&site.messages(queue, verb), &site.token, body).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        (Span { invoked, answered: watch.elapsed() }, answer.body["result"].clone())
    };
    let milliseconds = VISIBILITY.as_millis();
    let pull = format!(r#"{{"batch_size":100,"visibility_timeout_ms":{milliseconds}}}"#);
    let (span, result) = ask("/pull", &pull);
    let delivered = read_delivered(&result).unwrap_or_else(|wrong| panic!("{}", wrong.0));
    let backlog = result["message_backlog_count"].as_u64().expect("a count");
    if delivered.is_empty() {
        return backlog;
    }
    let count = delivered.len() as u64;
    let leases: Vec<_> = delivered.iter().map(|one| one.lease.clone()).collect();
    let queue = queue.to_owned();
    record.events.push(Event::Pull { queue: queue.clone(), span, visibility_timeout: VISIBILITY, delivered });
    let acks: Vec<_> = leases.iter().map(|lease| format!(r#"{{"lease_id":"{lease}"}}"#)).collect();
    let (span, result) = ask("/ack", &format!(r#"{{"acks":[{}]}}"#, acks.join(",")));
    assert_eq!(result["ackCount"].as_u64(), Some(count), "{result}");
    let acked = leases.into_iter().map(|lease| Event::Ack {
        queue: queue.clone(),
        lease,
        span,
        learned: Learned::Ok,
    });
    record.events.extend(acked);
    backlog - count
}
