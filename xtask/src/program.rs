//! Starting programs, in the folder of the workspace unless told otherwise.
//!
//! Commands are lists of words; no shell reads them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, bail, ensure};

use crate::rings::Count;
use crate::tally::Tally;
use crate::{say, workspace};

/// A program to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    words: Vec<String>,
    folder: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

impl Program {
    /// A program and its arguments.
    pub(crate) fn new(words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { words, folder: workspace::root(), variables: Vec::new() }
    }

    /// Adds an argument.
    pub(crate) fn argument(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Runs it in another folder.
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.folder = folder.to_path_buf();
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs it with this terminal.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let status = self.status()?;
        ensure!(status.success(), "{self}: {status}");
        Ok(())
    }

    /// Runs it with this terminal, and tells how it ended.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn status(&self) -> anyhow::Result<ExitStatus> {
        self.command()?.status().with_context(|| format!("cannot start {self}"))
    }

    /// Runs it, shows what it prints, and counts the tests that it reports.
    ///
    /// # Errors
    /// When it cannot be started, fails, or reports no test at all.
    pub(crate) fn count(&self) -> anyhow::Result<Count> {
        self.tally(&mut Tally::default())
    }

    /// The same, and takes note of what the tests say that they have counted.
    ///
    /// # Errors
    /// As [`Program::count`].
    pub(crate) fn tally(&self, tally: &mut Tally) -> anyhow::Result<Count> {
        let mut child = self.command()?.stdout(Stdio::piped()).spawn();
        let child = child.as_mut().map_err(|error| anyhow::anyhow!("cannot start {self}: {error}"))?;
        let mut count = Count::default();
        for line in BufReader::new(child.stdout.take().context("the output is piped")?).lines() {
            let line = line.with_context(|| format!("cannot read what {self} prints"))?;
            say::line(&line);
            count += Count::of_line(&line);
            tally.note(&line);
        }
        let status = child.wait()?;
        let Count { passed, failed } = count;
        let is_good = status.success() && passed > 0 && failed == 0;
        ensure!(is_good, "{self}: {status}; {passed} passed, {failed} failed");
        Ok(count)
    }

    /// Runs it and keeps all that it prints in a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn log(&self, file: File) -> anyhow::Result<ExitStatus> {
        let errors = file.try_clone().context("cannot write a log twice")?;
        let status = self.command()?.stdout(file).stderr(errors).status();
        status.with_context(|| format!("cannot start {self}"))
    }

    /// Runs it and gives all that it prints, to either stream.
    ///
    /// # Errors
    /// When it cannot be started or fails, with what it has printed.
    pub(crate) fn all_output(&self) -> anyhow::Result<String> {
        let output = self.command()?.output().with_context(|| format!("cannot start {self}"))?;
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        ensure!(output.status.success(), "{self}: {}\n{out}{err}", output.status);
        Ok(format!("{out}{err}"))
    }

    fn command(&self) -> anyhow::Result<Command> {
        let Some((name, arguments)) = self.words.split_first() else { bail!("a program has a name") };
        let mut command = Command::new(name);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl core::fmt::Display for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

/// What a program prints.
///
/// # Errors
/// When it cannot be started, fails, or prints what is no text.
pub(crate) fn output(words: &[&str]) -> anyhow::Result<String> {
    let program = Program::new(words);
    let output = program.command()?.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{program} prints what is no text"))
}

/// Whether a program of this name is on the path.
pub(crate) fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
