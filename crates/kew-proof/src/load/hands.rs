//! Clients with a queue of their own that do everything to it: those of `once`, whose messages move to `failed` and back, and
//! those of `purged`.

use rand::RngExt;

use crate::load::client::{Client, Outcome, Wrong};
use crate::load::consumer::{Habits, round};
use crate::load::producer::push;
use crate::record::Event;

/// How often after a push a client of `once` sends dead letters back, and how many at most.
const REDRIVES: f64 = 0.2;
const REDRIVE_MESSAGES: core::ops::RangeInclusive<u64> = 1..=100;
/// How often after a push a client of `purged` pulls, and how often it purges.
const PULLS: f64 = 0.5;
const PURGES: f64 = 0.05;

/// Pushes to `once`, pulls from there, and sends what has failed back, until the run is over.
pub(super) fn fail_and_redrive(mut client: Client<'_>, name: &str) -> Result<Vec<Event>, Wrong> {
    let queue = client.load.site.queues.once.clone();
    let (mut number, mut kept) = (0, Vec::new());
    while client.has_server() {
        push(&mut client, &queue, name, &mut number)?;
        round(&mut client, Habits::ONCE, &queue, &mut kept)?;
        if client.random.random_bool(REDRIVES) {
            redrive(&mut client)?;
        }
    }
    Ok(client.events)
}

fn redrive(client: &mut Client<'_>) -> Result<(), Wrong> {
    let batch = client.random.random_range(REDRIVE_MESSAGES);
    let path = client.load.site.redrive(&client.load.site.queues.failed);
    let (span, outcome) = client.send(&path, None, &format!(r#"{{"batch_size":{batch}}}"#))?;
    let Outcome::Answered(result) = outcome else { return Ok(()) };
    let moved = result["moved"].as_u64().filter(|moved| *moved <= batch);
    // Whatever is in `failed` came from `once`, and no restart may forget that.
    let (Some(moved), Some(0)) = (moved, result["without_origin"].as_u64()) else {
        return Err(Wrong(format!("a redrive of {batch} got {result}")));
    };
    client.events.push(Event::Redrive { queue: client.load.site.queues.failed.clone(), span, moved });
    Ok(())
}

/// Pushes to `purged`, pulls from there, and purges it now and then, until the run is over.
pub(super) fn push_and_purge(mut client: Client<'_>, name: &str) -> Result<Vec<Event>, Wrong> {
    let queue = client.load.site.queues.purged.clone();
    let (mut number, mut kept) = (0, Vec::new());
    while client.has_server() {
        push(&mut client, &queue, name, &mut number)?;
        if client.random.random_bool(PULLS) {
            round(&mut client, Habits::PURGED, &queue, &mut kept)?;
        }
        if client.random.random_bool(PURGES) {
            let path = client.load.site.purge(&queue);
            let (span, outcome) = client.send(&path, None, r#"{"delete_messages_permanently":true}"#)?;
            let learned = outcome.learned();
            client.events.push(Event::Purge { queue: queue.clone(), span, learned });
        }
    }
    Ok(client.events)
}
