//! What documents must say: the map names every crate and folder, the list of decisions every decision, that of
//! dependencies every dependency, that of cases every case of both official SDKs and none else; the checklist names tests
//! that exist; links inside the project lead somewhere.

use std::collections::BTreeSet;

use super::File;
use crate::workspace::Package;

const MAP: &str = "ARCHITECTURE.md";
const DECISIONS: &str = "docs/adr/";
const DEPENDENCIES: &str = "docs/adr/0010-dependencies.md";
const CASES: &str = "conformance/README.md";
/// The part of [`CASES`] that names a test for each box.
const CHECKLIST: &str = "\n## The checklist\n";
/// The suites that cover the same cases: folder, and what stands before and after a case's name.
const SUITES: [(&str, &str, &str); 2] =
    [("conformance/python/cases/", "def test_", "("), ("conformance/typescript/cases/", "(\"", "\",")];

/// What is missing in documents.
pub(super) fn check(packages: &[Package], files: &[File]) -> Vec<String> {
    let mut complaints = map(packages, files);
    complaints.extend(decisions(files));
    complaints.extend(dependencies(packages, files));
    complaints.extend(cases(files));
    complaints.extend(checklist(files));
    complaints
        .extend(files.iter().filter(|file| file.path.ends_with(".md")).flat_map(|file| links(file, files)));
    complaints
}

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
}

/// Crates and top-level folders that the map does not name.
fn map(packages: &[Package], files: &[File]) -> Vec<String> {
    let folders =
        files.iter().filter_map(|file| file.path.split_once('/')).map(|(folder, _)| format!("{folder}/"));
    let names: BTreeSet<_> = folders.chain(packages.iter().map(|package| package.name.clone())).collect();
    let map = text(files, MAP);
    let missing = names.iter().filter(|name| !map.contains(&format!("`{name}`")));
    missing.map(|name| format!("{MAP}: does not name `{name}`")).collect()
}

/// Decisions that their list does not name.
fn decisions(files: &[File]) -> Vec<String> {
    let list = format!("{DECISIONS}README.md");
    let known = text(files, &list);
    let names = files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS));
    let missing = names.filter(|name| *name != "README.md" && !known.contains(&format!("({name})")));
    missing.map(|name| format!("{list}: does not list {name}")).collect()
}

/// Dependencies of the workspace that no crate uses, or that their list does not explain, and rows that explain none.
fn dependencies(packages: &[Package], files: &[File]) -> Vec<String> {
    let manifest = text(files, "Cargo.toml").split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let section = manifest.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let named: BTreeSet<&str> =
        names.filter(|name| !packages.iter().any(|ours| ours.name == *name)).collect();
    let explained: BTreeSet<&str> = rows(text(files, DEPENDENCIES)).collect();
    let used: BTreeSet<&str> = packages.iter().flat_map(|package| package.names()).collect();
    let unexplained =
        named.difference(&explained).map(|name| format!("{DEPENDENCIES}: does not explain {name}"));
    let unknown =
        explained.difference(&named).map(|name| format!("{DEPENDENCIES}: explains {name}, which is none"));
    let unused = named.difference(&used).map(|name| format!("Cargo.toml: no crate uses {name}"));
    unexplained.chain(unknown).chain(unused).collect()
}

/// The names in backticks that rows of a document's tables begin with.
fn rows(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next())
}

/// Cases that a suite lacks, or has without their being listed. Rows that name a folder are none.
fn cases(files: &[File]) -> Vec<String> {
    let listed: BTreeSet<&str> = rows(text(files, CASES)).filter(|name| !name.contains('/')).collect();
    let mut complaints = Vec::new();
    for (folder, before, after) in SUITES {
        let sources = files.iter().filter(|file| file.path.starts_with(folder));
        let lines = sources.flat_map(|file| file.text.lines());
        let starts =
            lines.filter(|line| ["    def ", "scene(", "test("].iter().any(|start| line.starts_with(start)));
        let names = starts.filter_map(|line| line.split_once(before)?.1.split_once(after));
        let covered: BTreeSet<&str> = names.map(|(name, _)| name).collect();
        complaints.extend(listed.difference(&covered).map(|name| format!("{folder}: lacks the case {name}")));
        complaints.extend(covered.difference(&listed).map(|name| format!("{CASES}: does not list {name}")));
    }
    complaints
}

/// Names in the cells of the checklist, but for its boxes, that no test has.
fn checklist(files: &[File]) -> Vec<String> {
    let rest = text(files, CASES).split(CHECKLIST).nth(1).unwrap_or_default();
    let section = rest.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let names = cells.flat_map(|(_, cells)| cells.split('`').skip(1).step_by(2));
    let is_written = |name: &str| {
        let starts = [format!("fn {name}("), format!("def test_{name}("), format!("(\"{name}\",")];
        files.iter().any(|file| starts.iter().any(|start| file.text.contains(start)))
    };
    names.filter(|name| !is_written(name)).map(|name| format!("{CASES}: there is no test {name}")).collect()
}

/// Links of a document to files that are not there.
fn links(document: &File, files: &[File]) -> Vec<String> {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut complaints = Vec::new();
    for after in document.text.split("](").skip(1) {
        let target = after.split([')', '#']).next().unwrap_or_default();
        if target.is_empty() || target.contains("://") || target.contains([' ', '[']) {
            continue;
        }
        let path = resolve(folder, target);
        let is_there = |file: &File| file.path == path || file.path.starts_with(&format!("{path}/"));
        if !files.iter().any(is_there) {
            complaints.push(format!("{}: links to {target}, which is not there", document.path));
        }
    }
    complaints
}

/// The path from the root of what a document in `folder` calls `target`.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_map_names_crates_and_folders() {
        let package =
            Package { name: "kew-x".to_owned(), manifest: PathBuf::new(), dependencies: Vec::new() };
        let files = [file(MAP, "`kew-x` and `crates/`"), file("crates/x/lib.rs", ""), file("docs/a.md", "")];
        assert_eq!(map(&[package], &files), ["ARCHITECTURE.md: does not name `docs/`"]);
    }

    #[test]
    fn the_list_of_decisions_is_whole() {
        let list = file("docs/adr/README.md", "[one](0001-one.md)");
        let files = [list, file("docs/adr/0001-one.md", ""), file("docs/adr/0002-two.md", "")];
        assert_eq!(decisions(&files), ["docs/adr/README.md: does not list 0002-two.md"]);
    }

    #[test]
    fn every_dependency_is_used_and_explained() {
        let manifest = "[workspace.dependencies]\nkew-x = { path = \"x\" }\none = \"1\"\ntwo = \"2\"\n\n[profile.dev]\na = 1\n";
        let files = [file("Cargo.toml", manifest), file(DEPENDENCIES, "| `one` | … |\n| `three` | … |\n")];
        let dependencies_of_x = vec![("two".to_owned(), false)];
        let package =
            Package { name: "kew-x".to_owned(), manifest: PathBuf::new(), dependencies: dependencies_of_x };
        let expected = [
            "docs/adr/0010-dependencies.md: does not explain two",
            "docs/adr/0010-dependencies.md: explains three, which is none",
            "Cargo.toml: no crate uses one",
        ];
        assert_eq!(dependencies(&[package], &files), expected);
    }

    #[test]
    fn both_suites_cover_the_listed_cases() {
        let list = file(CASES, "| case | what |\n| `push` | … |\n| `pull` | … |\n");
        let python =
            file("conformance/python/cases/test_a.py", "    def test_push(self):\n    def test_pull(self):");
        let script = file("conformance/typescript/cases/a.test.mjs", "scene(\"push\", x)\ntest(\"ack\", x)");
        let expected = [
            "conformance/typescript/cases/: lacks the case pull",
            "conformance/README.md: does not list ack",
        ];
        assert_eq!(cases(&[list, python, script]), expected);
    }

    #[test]
    fn the_checklist_names_tests_that_exist() {
        let table = "| box | tests |\n| `a` PUT | `push`, `pull` |\n| b | `acks_count`, `gone` |\n";
        let files = [
            file(CASES, &format!("| `other` |\n## The checklist\n{table}")),
            file("a.py", "    def test_push(self):"),
            file("a.mjs", "scene(\"pull\", x)"),
            file("a.rs", "async fn acks_count() {"),
        ];
        assert_eq!(checklist(&files), ["conformance/README.md: there is no test gone"]);
    }

    #[test]
    fn links_lead_to_files_or_folders() {
        let text = "[a](../bench/run) [b](b.md#part) [c](gone.md) [d](https://example.com) [e](#here) [f](../bench) `[a-z]([a-z])`";
        let document = file("docs/a.md", text);
        let files = [file("bench/run", ""), file("docs/b.md", "")];
        assert_eq!(links(&document, &files), ["docs/a.md: links to gone.md, which is not there"]);
    }
}
