//! What source and documents must not hold.
//!
//! The project speaks of itself alone: no path of a machine it was written on, no host of a package registry (clients
//! choose theirs), nothing of who wrote it with what. And nothing is left to be done: work that waits is an issue.

use super::File;

/// Lock files, and this table.
const EXEMPT: [&str; 6] = [
    "Cargo.lock",
    "conformance/python/requirements.txt",
    "conformance/typescript/package-lock.json",
    "conformance/wrangler/package-lock.json",
    "xtask/src/tidy/text.rs",
    "LICENSE",
];
/// Parts of text that stand nowhere: the folders of somebody's own machine.
const PARTS: [&str; 2] = ["/root/", "/home/"];
/// Marks of unfinished work, in this spelling; a lint is called `todo`.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];
/// Parts of Rust source that stand nowhere; lints say the same, and can be turned off.
const RUST: [&str; 5] = ["unsafe {", "unsafe fn", "unsafe impl", "unimplemented!(", "allow(unsafe"];
/// Files of code longer than this are split. Flat tables may be longer, by name.
const LINES_MAX: usize = 600;
const LONG_TABLES: [&str; 0] = [];
const CODE: [&str; 4] = [".rs", ".py", ".mjs", "/run"];

/// What is wrong with a file.
pub(super) fn check(file: &File) -> Vec<String> {
    let path = file.path.as_str();
    let mut complaints = Vec::new();
    let count = file.text.lines().count();
    let is_code = CODE.iter().any(|end| path.ends_with(end));
    if is_code && count > LINES_MAX && !LONG_TABLES.contains(&path) {
        complaints.push(format!("{path}: {count} lines, and {LINES_MAX} are the most"));
    }
    if EXEMPT.contains(&path) {
        return complaints;
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        let found = forbidden(line, path.ends_with(".rs"));
        complaints.extend(found.map(|what| format!("{path}:{number}: says {what:?}")));
    }
    complaints
}

/// The first thing in a line that must not be there.
fn forbidden(line: &str, is_rust: bool) -> Option<&'static str> {
    let lower = line.to_lowercase();
    let part = PARTS.iter().find(|part| lower.contains(**part));
    let mark = || MARKS.iter().find(|mark| line.contains(**mark));
    let rust = || RUST.iter().find(|part| is_rust && line.contains(**part));
    part.or_else(mark).or_else(rust).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        check(&File { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn forbidden_text_is_found_where_it_stands() {
        assert_eq!(complaints("a.md", "fine\nsee /home/x"), [r#"a.md:2: says "/home/""#]);
        assert_eq!(complaints("a.rs", "// TODO: later"), [r#"a.rs:1: says "TODO""#]);
        assert_eq!(complaints("a.rs", "unsafe { x() }"), [r#"a.rs:1: says "unsafe {""#]);
    }

    #[test]
    fn other_text_passes() {
        assert_eq!(complaints("a.rs", "let home = Home::new(); // todo"), [""; 0]);
        assert_eq!(complaints("a.md", "`unsafe { }` is forbidden"), [""; 0]);
        assert_eq!(complaints("Cargo.lock", "source /home/"), [""; 0]);
    }

    #[test]
    fn long_code_is_found_and_long_documents_pass() {
        let text = "\n".repeat(LINES_MAX + 1);
        assert_eq!(complaints("a.rs", &text).len(), 1);
        assert_eq!(complaints("a.md", &text).len(), 0);
    }
}
