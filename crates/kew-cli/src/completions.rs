//! `kew completions`: what a shell needs to complete commands and flags.

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::output;

/// Print what makes a shell complete commands and flags.
///
/// For bash: source <(kew completions bash), in ~/.bashrc. For zsh: kew completions zsh > a file _kew of a folder in $fpath. For
/// fish: kew completions fish > ~/.config/fish/completions/kew.fish.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    /// Prints the script for the program whose arguments `Program` are.
    ///
    /// # Errors
    /// When standard output cannot be written to.
    pub(crate) fn run<Program: CommandFactory>(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Program::command(), "kew", &mut script);
        let script = String::from_utf8(script).context("the script is no text")?;
        output::print(script.trim_end())
    }
}
