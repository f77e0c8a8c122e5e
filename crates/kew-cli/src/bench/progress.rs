//! A progress bar on the terminal, and nothing anywhere else.

use core::time::Duration;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::ledger::Ledger;
use crate::bench::measure::Stopwatch;
use crate::bench::options::Plan;

/// How often the bar is drawn anew.
const REFRESH: Duration = Duration::from_millis(200);
/// The bar's length in steps.
const STEPS: u64 = 1000;

/// A bar that follows a ledger until it is finished.
#[derive(Debug)]
pub(super) struct Progress(Option<(SyncSender<()>, JoinHandle<()>)>);

impl Progress {
    /// Shows a bar, if standard error is a terminal; `pushing` says whether it follows pushes or acks.
    pub(super) fn show(title: &str, plan: &Plan, ledger: Arc<Ledger>, pushing: bool) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let (title, plan) = (title.to_owned(), plan.clone());
        let (stop, stopped) = sync_channel(1);
        let follow = move || {
            let started = Stopwatch::start();
            let bar = ProgressBar::new(STEPS);
            if let Ok(style) = ProgressStyle::with_template("{prefix:>18} {bar:40} {percent:>3} %  {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(title);
            while stopped.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                let totals = ledger.totals();
                let steps = if pushing {
                    steps_pushed(&plan, totals.pushed, started.elapsed())
                } else {
                    totals.acked * STEPS / totals.pushed.max(1)
                };
                bar.set_message(format!("{} pushed, {} acked", totals.pushed, totals.acked));
                bar.set_position(steps.min(STEPS));
            }
            bar.finish_and_clear();
        };
        // Without a thread there is no bar; the run does not depend on it.
        Self(
            thread::Builder::new()
                .name("progress".to_owned())
                .spawn(follow)
                .ok()
                .map(|thread| (stop, thread)),
        )
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Some((stop, thread)) = self.0 {
            // Either fails only when the thread has ended already.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// How far pushing has come, by number or by time, whichever ends it first.
fn steps_pushed(plan: &Plan, pushed: u64, elapsed: Duration) -> u64 {
    let by_count = pushed * STEPS / plan.messages.max(1);
    let by_time = plan.time.map_or(0, |time| elapsed.as_secs() * STEPS / time.as_secs().max(1));
    by_count.max(by_time)
}
