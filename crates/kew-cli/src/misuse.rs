//! Mistakes in the command line that its parser cannot see: what flags say together, or what a file holds that one names.
//!
//! No server was asked when one is told, and the program ends with the status for a command line that cannot be read.

use core::fmt;

/// A command that cannot be meant as it was given.
#[derive(Debug)]
pub(crate) struct Misuse(String);

impl Misuse {
    /// One that is told with this text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Tells an error as one, with its causes.
    pub(crate) fn of(error: anyhow::Error) -> anyhow::Error {
        Self(format!("{error:#}")).into()
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Misuse {}
