//! Starts the binary and follows what it prints.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long to wait for something that must come; only a hanging program ever takes it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that a stream may be ahead of its reader.
const LINES_AHEAD: usize = 100_000;

/// The id of the queue that most tests use.
pub(crate) const QUEUE: &str = "023e105f4ecef8ad9ca31a8372d0c353";

/// A folder of one test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The binary with these arguments, in a folder and an environment of its own.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kew"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("KEW_") || name.starts_with("CLOUDFLARE_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary starts")
}

/// What a run printed to standard output.
pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The one line that a failed run printed to standard error.
pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(!output.status.success(), "must fail, and printed {text}");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    assert!(text.starts_with("kew: "), "{text}");
    text
}

/// A server that a test has started.
pub(crate) struct Kew {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// `http://127.0.0.1:PORT`, or with `https`.
    pub(crate) url: String,
    /// What it printed up to its last line of being ready.
    pub(crate) notice: String,
    data: PathBuf,
}

impl Kew {
    /// `kew dev` with a queue `jobs` of id [`QUEUE`].
    pub(crate) fn dev(folder: &Path) -> Self {
        Self::start(folder, &["dev", "--queue", &format!("jobs={QUEUE}")])
    }

    /// `kew serve`.
    pub(crate) fn serve(folder: &Path, more: &[&str]) -> Self {
        Self::start(folder, &[&["serve"], more].concat())
    }

    /// A serving command on a free port and the folder `store`; returns when it has said that it is ready.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, |_| ())
    }

    /// As [`Kew::start`], with changes to how the process is started.
    pub(crate) fn start_with(folder: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let data = folder.join("store");
        let data_text = data.to_str().expect("a path of text");
        // The notice is printed as a whole; this stands in its last line.
        let last = if arguments[0] == "dev" { "Stop with Ctrl-C" } else { "account id" };
        let arguments = [arguments, &["--listen", "127.0.0.1:0", "--data", data_text]].concat();
        let mut command = command(folder, &arguments);
        change(&mut command);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let out = follow(child.stdout.take().expect("piped"));
        let err = follow(child.stderr.take().expect("piped"));
        let mut kew = Self { child, out, err, url: String::new(), notice: String::new(), data };
        while !kew.notice.contains(last) {
            match kew.out.recv_timeout(PATIENCE) {
                Ok(line) => kew.notice.push_str(&format!("{line}\n")),
                Err(_) => panic!("not ready: {}{}", kew.notice, kew.err.try_iter().collect::<String>()),
            }
        }
        let at = kew.notice.find("http").expect("an address");
        kew.url = kew.notice[at..].split("/client/v4").next().expect("a base URL").to_owned();
        kew
    }

    /// A file of the store's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// The process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.child);
        kill_process(process, signal).expect("a process of ours");
    }

    /// The next line of the log that contains a text.
    pub(crate) fn log_line(&self, text: &str) -> String {
        loop {
            let line = self.err.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no log line with {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for the process to end by itself; tells how, and what it had yet to print to either stream.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        // Each stream ends with the process.
        for stream in [&self.out, &self.err] {
            while let Ok(line) = stream.recv_timeout(PATIENCE) {
                rest.push_str(&format!("{line}\n"));
            }
        }
        (self.child.wait().expect("a child of ours"), rest)
    }

    /// Sends a signal until the process ends, since signals that come at once count as one; else as [`Kew::end`].
    pub(crate) fn insist(mut self, signal: Signal) -> (ExitStatus, String) {
        while self.child.try_wait().expect("a child of ours").is_none() {
            self.signal(signal);
        }
        self.end()
    }

    /// Asks the process to end, and checks that it does so in order.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::TERM);
        let (status, rest) = self.end();
        assert_eq!(status.code(), Some(0), "{rest}");
        rest
    }
}

impl Drop for Kew {
    fn drop(&mut self) {
        // A process that has ended already is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
