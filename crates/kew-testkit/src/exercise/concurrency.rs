//! Verbs from several threads at once: each is one atomic step (B1).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kew_model::{AckOutcome, Milliseconds, PullSettings};

use super::stage::{Stage, with_retries};
use crate::subject::Subject;
use crate::wait::wait;

const THREADS: usize = 4;

/// B3: pullers that come at the same moment share the messages out.
pub fn pullers_get_different_messages<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    for _ in 0..4 {
        stage.push(jobs, &["x"; 100]);
    }

    let pulled: Vec<_> = thread::scope(|scope| {
        let pullers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| (0..20).flat_map(|_| stage.pull(jobs, 5)).collect::<Vec<_>>()))
            .collect();
        pullers.into_iter().flat_map(|puller| puller.join().unwrap()).collect()
    });

    let ids: BTreeSet<_> = pulled.iter().map(|one| one.id).collect();
    assert_eq!((pulled.len(), ids.len()), (400, 400));
    assert!(pulled.iter().all(|one| one.attempts == 1));
}

/// Of several acks of one message at the same moment one removes it.
pub fn acks_at_once_remove_one_message_once<S: Subject>(subject: S) {
    let stage = Stage::new(subject);
    let jobs = stage.jobs();
    stage.push(jobs, &["x"; 50]);
    let leases: Vec<_> = stage.pull(jobs, 50).iter().map(|one| one.lease).collect();

    let acked: Vec<_> = thread::scope(|scope| {
        let ackers: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| stage.settle(jobs, &leases, &[]).acks)).collect();
        ackers.into_iter().flat_map(|acker| acker.join().unwrap()).collect()
    });

    let count = |wanted| acked.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(AckOutcome::Acked), count(AckOutcome::AlreadyGone)), (50, 50 * (THREADS - 1)));
    assert_eq!(stage.backlog(jobs).count, 0);
}

/// Producers and consumers side by side: everything pushed is acked once, and nothing is left. Consumers that find
/// nothing wait for the promise of news.
pub fn pushers_and_pullers_lose_nothing<S: Subject>(subject: S) {
    const EACH: usize = 100;
    const ALL: usize = THREADS * EACH;
    let stage = Stage::new(subject);
    let settings = PullSettings { visibility_timeout: Milliseconds(43_200_000), ..with_retries(0) };
    let jobs = stage.pulled("jobs", settings);
    let acked = AtomicUsize::new(0);

    thread::scope(|scope| {
        for pusher in 0..THREADS {
            let stage = &stage;
            scope
                .spawn(move || (0..EACH).for_each(|index| stage.push(jobs, &[&format!("{pusher}/{index}")])));
        }
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let change = stage.broker().changed(jobs);
                    if acked.load(Ordering::SeqCst) >= ALL {
                        break;
                    }
                    let leases: Vec<_> = stage.pull(jobs, 7).iter().map(|one| one.lease).collect();
                    if leases.is_empty() {
                        wait(change);
                        continue;
                    }
                    let outcomes = stage.settle(jobs, &leases, &[]).acks;
                    assert!(outcomes.iter().all(|outcome| *outcome == AckOutcome::Acked));
                    if acked.fetch_add(outcomes.len(), Ordering::SeqCst) + outcomes.len() == ALL {
                        // An ack is no news to who waits for messages; one more message is.
                        stage.push(jobs, &["the end"]);
                    }
                }
            });
        }
    });

    let left = usize::try_from(stage.backlog(jobs).count).unwrap();
    assert_eq!(acked.load(Ordering::SeqCst) + left, ALL + 1, "each message and the one that told of the end");
}
