//! The one place that prints: tables for people, JSON for programs, one line for an error.
//!
//! What a command answers with goes to standard output; errors and remarks go to standard error. Logging of the server has its
//! own way (`logging`).

use std::io::{ErrorKind, Write};

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Prints a text and ends its line. A reader that has gone away (`kew … | head`) is no error.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    has_reader(text).map(drop)
}

/// As [`print()`]; tells whether a reader was still there.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn has_reader(text: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot print"),
    }
}

/// Prints an error and its causes as one line.
pub(crate) fn print_error(error: &anyhow::Error) {
    let line = format!("{error:#}").replace('\n', " ");
    // When not even this can be printed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "kew: {line}");
}

/// Tells a person something beside a command's answer, on standard error.
pub(crate) fn tell(line: &str) {
    // As for an error: there may be nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A table with these column heads and no rows yet.
pub(crate) fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads.iter().copied());
    table
}

/// A value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    // The values printed are plain structs of numbers and texts, which always have a JSON form.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// So many of a thing, in words: `1 message`, `2 messages`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{end}")
}
