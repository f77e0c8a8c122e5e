//! One process of the server, from its start to its end, whichever way that comes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;
use crate::vitals::Vitals;

/// Lines that the process may be ahead of its reader.
const LINES_AHEAD: usize = 1_000;
/// What stands in the last line of a server that is ready.
const READY: &str = "Stop with Ctrl-C";

/// A process that serves.
#[derive(Debug)]
pub struct Kew {
    /// The server, or the program that watches it and ends with it, in the same way.
    child: Child,
    /// The server.
    process: Pid,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Kew {
    /// Starts a command and waits until it serves. Its log goes to the file `log`. One that is `watched` has another
    /// program as its parent, and prints its process id first.
    ///
    /// # Panics
    /// When it does not come to serve.
    pub(crate) fn start(mut command: Command, log: &Path, watched: bool) -> Self {
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("KEW_") || name.starts_with("CLOUDFLARE_")) {
                command.env_remove(name);
            }
        }
        let errors = File::create(log).expect("a file for the log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = sync_channel(LINES_AHEAD);
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let process = Pid::from_child(&child);
        let mut kew = Self { child, process, lines, log: log.to_owned() };
        if watched {
            let line = kew.line();
            kew.process = line.parse().ok().and_then(Pid::from_raw).expect("a process id");
        }
        while !kew.line().contains(READY) {}
        kew
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|error| panic!("not ready: {error}: {}", self.log()))
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The file of its log.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Its memory and its connections.
    pub fn vitals(&self) -> Vitals {
        Vitals::of(self.process)
    }

    /// Ends it by SIGKILL, at whatever it is doing.
    ///
    /// # Panics
    /// When it has ended before, by itself.
    pub fn kill(mut self) {
        let ended = self.child.try_wait().expect("a child of ours");
        assert!(ended.is_none(), "it ended by itself: {ended:?} {}", self.log());
        kill_process(self.process, Signal::KILL).expect("a process of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Asks it to end by SIGTERM, and waits until it has.
    ///
    /// # Panics
    /// When it does not end in order, with code 0.
    pub fn stop(self) {
        kill_process(self.process, Signal::TERM).expect("a process of ours");
        let log = self.log_path();
        let status = self.end();
        let log = std::fs::read_to_string(log).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    /// Waits until it has ended by itself, and whoever watched it, too.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(mut self) -> ExitStatus {
        // The stream ends with the last process that holds it.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.log()),
            }
        }
        self.child.wait().expect("a child of ours")
    }
}

impl Drop for Kew {
    fn drop(&mut self) {
        // While the child has not been waited for, the server's id stands for no other process.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // A process that ends in this very moment is no error.
            let _ = kill_process(self.process, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
