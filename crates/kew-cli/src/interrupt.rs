//! Ctrl-C as a wish: work that goes step by step ends after the step it is at. A second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::Context;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// The status of a process that Ctrl-C ended, by the shell's convention: 128 and the signal's number.
const STATUS: i32 = 130;

/// Whether Ctrl-C was pressed.
#[derive(Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on; the first Ctrl-C is answered with `remark`.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub(crate) fn listen(remark: &'static str) -> anyhow::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = sync_channel(1);
        let flag = Arc::clone(&pressed);
        let listen = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                let mut signals = match signal(SignalKind::interrupt()) {
                    Ok(signals) => signals,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                // Nobody waits any more only when the process is ending.
                let _ = ready.send(Ok(()));
                signals.recv().await;
                flag.store(true, Ordering::Relaxed);
                output::tell(remark);
                signals.recv().await;
                std::process::exit(STATUS);
            });
        };
        thread::Builder::new().name("interrupt".to_owned()).spawn(listen).context("cannot start a thread")?;
        is_ready.recv().context("cannot listen for signals")?.context("cannot listen for signals")?;
        Ok(Self(pressed))
    }

    /// Whether it was.
    pub(crate) fn is_pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
