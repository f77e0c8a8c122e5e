//! Models of the hand-off, for loom: it runs them in every order in which their threads can come, up to a number of
//! preemptions, and complains when they wait for each other for ever. `cargo xtask soak --loom` runs them.
//!
//! Mailbox, desk and the protocol of those who ask are the real ones. The writers do as `writers.rs` and `driver.rs` say,
//! in the same order, with numbers in place of verbs and no disk.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use crate::desk::Desk;
use crate::handoff::{attend, is_to_wake};
use crate::mailbox::Mailbox;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::under_way::UnderWay;

struct World {
    inbox: Mailbox<u32>,
    orders: Mailbox<()>,
    desk: Desk<Vec<u32>>,
    under_way: UnderWay,
    /// Held by the writer that begins a turn.
    driver: Mutex<()>,
    answered: AtomicUsize,
    /// Whether to wake a writer; the product's way, or a wrong one.
    is_to_wake: fn(&Self) -> bool,
    /// Whether those who ask may take turns, and look for news after them.
    own_turns: Option<bool>,
}

/// As in the product.
fn rightly(world: &World) -> bool {
    is_to_wake(&world.orders, &world.under_way)
}

/// In the other order: a writer that ends its turn in between is told nothing.
fn too_early(world: &World) -> bool {
    let wants_another = world.under_way.wants_another();
    world.orders.note() && wants_another
}

impl World {
    fn new(is_to_wake: fn(&Self) -> bool) -> Arc<Self> {
        Self::with_own_turns(is_to_wake, None)
    }

    fn with_own_turns(is_to_wake: fn(&Self) -> bool, own_turns: Option<bool>) -> Arc<Self> {
        Arc::new(Self {
            own_turns,
            inbox: Mailbox::new(),
            orders: Mailbox::new(),
            desk: Desk::of(Vec::new()),
            under_way: UnderWay::default(),
            driver: Mutex::new(()),
            answered: AtomicUsize::new(0),
            is_to_wake,
        })
    }

    fn ask(&self, verb: u32) {
        self.inbox.put(verb).unwrap();
        let decide = |work: &mut Vec<u32>, verbs: Vec<u32>| (work.extend(verbs), true);
        let call_writer = || {
            if (self.is_to_wake)(self) && !self.take_turn_here() {
                self.orders.wake();
            }
        };
        attend(&self.inbox, &self.desk, decide, call_writer, |()| {});
    }

    /// As `Writers::turn_here`.
    fn take_turn_here(&self) -> bool {
        let Some(looks_again) = self.own_turns.filter(|_| self.under_way.is_none()) else { return false };
        let Ok(driver) = self.driver.try_lock() else { return false };
        if !self.orders.heed() {
            return false;
        }
        self.turn(driver);
        if looks_again && self.orders.has_news() {
            self.orders.wake();
        }
        true
    }

    /// Takes turns until so many verbs are answered, by this writer and others.
    fn write(&self, verbs: usize) {
        while self.answered.load(Ordering::SeqCst) < verbs {
            drop(self.orders.take(None));
            self.turn(self.driver.lock().unwrap());
        }
        self.orders.close();
    }

    /// Takes turns until somebody has seen that all is answered, this writer included.
    fn write_until_closed(&self) {
        while !self.orders.is_closed() {
            drop(self.orders.take(None));
            self.turn(self.driver.lock().unwrap());
            if self.answered.load(Ordering::SeqCst) == 2 {
                self.orders.close();
            }
        }
    }

    fn turn(&self, driver: MutexGuard<'_, ()>) {
        let mut place = self.desk.lock();
        let work = place.as_mut().unwrap();
        work.extend(self.inbox.take(Some(Duration::ZERO)).items);
        let group = core::mem::take(work);
        self.under_way.begins(group.len());
        drop(place);
        drop(driver);
        self.answered.fetch_add(group.len(), Ordering::SeqCst);
        self.under_way.ends(group.len());
    }
}

/// Tries every order with so many preemptions at most.
fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

fn many_ask(is_to_wake: fn(&World) -> bool) {
    model(4, move || {
        let world = World::new(is_to_wake);
        let askers = [1, 2].map(|verb| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.ask(verb))
        });
        world.write(2);
        askers.into_iter().for_each(|asker| asker.join().unwrap());
    });
}

#[test]
fn what_two_threads_ask_is_answered_in_whatever_order_they_come() {
    many_ask(rightly);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_look_at_the_writers_before_they_are_told_loses_a_call() {
    many_ask(too_early);
}

/// Two ask, and take turns themselves where nobody is at it. Whoever sees that all is answered ends the writer's wait.
fn askers_take_turns(looks_again: bool) {
    model(3, move || {
        let world = World::with_own_turns(rightly, Some(looks_again));
        let askers = [1, 2].map(|verb| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.ask(verb);
                if world.answered.load(Ordering::SeqCst) == 2 {
                    world.orders.close();
                }
            })
        });
        world.write_until_closed();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        assert_eq!(world.answered.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn askers_who_take_turns_leave_nothing_to_each_other() {
    askers_take_turns(true);
}

#[test]
#[should_panic(expected = "deadlock")]
fn an_asker_that_looks_no_more_after_its_turn_loses_a_call() {
    askers_take_turns(false);
}

#[test]
fn two_writers_leave_nothing_to_each_other() {
    model(3, || {
        let world = World::new(rightly);
        let writer = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.write(2))
        };
        let asker = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.ask(1);
                world.ask(2);
            })
        };
        world.write(2);
        asker.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn nothing_is_lost_in_a_mailbox() {
    model(4, || {
        let mailbox = Arc::new(Mailbox::new());
        let putters = [1, 2].map(|item| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.put(item).unwrap())
        });
        let mut taken = Vec::new();
        while taken.len() < 2 {
            taken.extend(mailbox.take(None).items);
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
        putters.into_iter().for_each(|putter| putter.join().unwrap());
    });
}

#[test]
fn whoever_waits_learns_that_a_mailbox_is_closed() {
    model(4, || {
        let mailbox = Arc::new(Mailbox::<u32>::new());
        let waiting = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                while !mailbox.is_closed() {
                    drop(mailbox.take(None))
                }
            })
        };
        mailbox.close();
        waiting.join().unwrap();
    });
}
