//! When a writer hears of what tasks bring.

use std::task::{Context, Waker};

use kew_journal::SimDisk;
use kew_model::{Account, Answer, Broker};
use kew_testkit::{FixedChance, ManualClock};
use tokio::runtime::Builder;

use super::*;
use crate::embedded::{Embedded, Engine};
use crate::options::Options;

/// A store whose writers never come.
fn store(has_threads: bool) -> Embedded {
    let (clock, chance) = (Arc::new(ManualClock::default()), Arc::new(FixedChance::new(1)));
    let store = Embedded::open_inline(Arc::new(SimDisk::new(1)), Options::default(), clock, chance).unwrap();
    let Engine::Inline(inline) = &store.engine else { unreachable!() };
    inline.hold();
    if has_threads {
        store.shared.writers.set(Weak::new()).unwrap();
    }
    drop(store.shared.orders.take(Some(Duration::ZERO)));
    store
}

/// Brings something that is to be made durable.
fn bring(store: &Embedded) -> Answer<'_, Arc<Account>> {
    let mut asked = store.create_account(None, "one".to_owned());
    assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    store.shared.attend();
    asked
}

fn is_heard_of(store: &Embedded) -> bool {
    store.shared.orders.has_news()
}

/// As a task among so many others, which bring nothing.
fn beside(others: usize, work: impl Future<Output = ()> + Send + 'static) {
    let runtime = Builder::new_current_thread().build().unwrap();
    (0..others).for_each(|_| drop(runtime.spawn(core::future::pending::<()>())));
    runtime.block_on(runtime.spawn(work)).unwrap();
}

#[test]
fn a_writer_hears_of_what_a_task_brings_after_all_tasks_that_are_ready() {
    let store = Arc::new(store(true));
    beside(0, async move {
        // Given a task that has brought something, and another that is ready to
        let first = bring(&store);
        assert!(!is_heard_of(&store));
        let other = Arc::clone(&store);
        let other = tokio::spawn(async move {
            let asked = bring(&other);
            assert!(!is_heard_of(&other));
            drop(asked);
        });

        // When that one has, and nobody else is ready
        other.await.unwrap();
        yield_now().await;
        yield_now().await;

        // Then a writer hears of it
        assert!(is_heard_of(&store));
        drop(first);
    });
}

#[test]
fn a_writer_hears_at_once_when_most_tasks_have_brought_theirs() {
    let store = store(true);
    // With this one, and the one that makes the call, they are 100.
    beside(98, async move {
        let most: Vec<_> = (0..59).map(|_| bring(&store)).collect();
        assert!(!is_heard_of(&store));
        let one_more = bring(&store);
        assert!(is_heard_of(&store));
        drop((most, one_more));
    });
}

#[test]
fn a_writer_hears_at_once_where_the_call_may_lie_behind_the_work_of_another_thread() {
    let store = store(true);
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let work = async move {
        drop(bring(&store));
        assert!(is_heard_of(&store));
    };
    runtime.block_on(runtime.spawn(work)).unwrap();
}

#[test]
fn a_writer_hears_of_what_a_task_has_brought_when_its_runtime_ends() {
    let store = Arc::new(store(true));
    let brought = Arc::clone(&store);
    beside(0, async move { drop(bring(&brought)) });
    assert!(is_heard_of(&store));
}

#[test]
fn a_writer_hears_at_once_of_what_no_task_brings_and_in_a_store_without_threads() {
    let threaded = store(true);
    let asked = bring(&threaded);
    assert!(is_heard_of(&threaded));
    drop(asked);

    let inline = store(false);
    beside(0, async move {
        let asked = bring(&inline);
        assert!(is_heard_of(&inline));
        drop(asked);
    });
}
