//! A line on the terminal that shows how far long work has come, and nothing anywhere else.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// How a bar with a known end looks, and one without.
const BAR: &str = "{prefix:>8} {bar:40} {pos}/{len}  {msg}";
const COUNTER: &str = "{prefix:>8} {pos}  {msg}";

/// A bar up to `total` steps, or a counter when nobody knows how many there are.
pub(crate) fn bar(title: &'static str, total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(if total.is_some() { BAR } else { COUNTER }) {
        bar.set_style(style);
    }
    bar.set_prefix(title);
    bar
}
