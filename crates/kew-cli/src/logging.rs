//! Where log lines go: standard error, as text for people or as one JSON object a line.

use std::io::IsTerminal;

use anyhow::anyhow;
use tracing::Level;

use crate::config::LogFormat;

/// Starts logging for the whole process; once, before anything is served.
///
/// # Errors
/// When logging has been started already.
pub(crate) fn start(format: LogFormat, level: Level) -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start logging: {error}"))
}
