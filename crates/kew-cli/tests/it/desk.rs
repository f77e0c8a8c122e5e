//! Commands against a `kew dev` of their own, with its address and token in their environment.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::kew::{Kew, command, complaint, folder, printed};

/// A server with a queue `jobs`, and a folder to run commands in.
pub(crate) struct Desk {
    /// The server.
    pub(crate) kew: Kew,
    /// The folder.
    pub(crate) folder: TempDir,
}

impl Desk {
    /// A fresh one.
    pub(crate) fn new() -> Self {
        let folder = folder();
        Self { kew: Kew::dev(folder.path()), folder }
    }

    /// The binary with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.env("KEW_URL", &self.kew.url).env("KEW_TOKEN", kew_server::DEVELOPMENT_TOKEN);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that reads `input`.
    pub(crate) fn piped(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses its flags ends without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a command prints that succeeds.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        done(&self.run(arguments))
    }

    /// What a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.prints(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// The lines of JSON that a command prints.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.prints(arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The bodies of the messages that a command prints.
    pub(crate) fn bodies(&self, arguments: &[&str]) -> Vec<Value> {
        self.lines(arguments).into_iter().map(|mut message| message["body"].take()).collect()
    }

    /// The line that a command prints which fails.
    pub(crate) fn complaint(&self, arguments: &[&str]) -> String {
        complaint(&self.run(arguments))
    }

    /// How many messages a queue holds.
    pub(crate) fn backlog(&self, queue: &str) -> u64 {
        self.json(&["queues", "info", queue])["metrics"]["backlog_count"].as_u64().unwrap()
    }
}

/// What a command has printed that succeeded.
pub(crate) fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    printed(output)
}
