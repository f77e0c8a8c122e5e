//! The one door to the terminal.

/// Prints a line.
#[expect(clippy::print_stdout, reason = "this is where the commands print")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints a line to the error stream.
#[expect(clippy::print_stderr, reason = "this is where the commands complain")]
pub(crate) fn complaint(text: &str) {
    eprintln!("{text}");
}
