//! Who may import whom. ARCHITECTURE.md shows the same table with its reasons.

use std::collections::BTreeSet;

use anyhow::Context;

use crate::program;
use crate::workspace::Package;

/// A crate of the workspace.
struct Layer {
    name: &'static str,
    /// Crates of ours that it may import.
    may: &'static [&'static str],
    /// Crates of ours that its tests may import beside those.
    tests_may: &'static [&'static str],
    /// Crates of others that belong to a layer above or beside it.
    never: &'static [&'static str],
}

const HTTP: &str = "hyper";
const JSON: &str = "serde_json";
const TASKS: &str = "tokio";

const LAYERS: [Layer; 10] = [
    Layer { name: "kew-model", may: &[], tests_may: &[], never: &["serde", JSON, TASKS, HTTP, "rustix"] },
    Layer {
        name: "kew-journal",
        may: &[],
        tests_may: &["kew-journal"],
        never: &["serde", JSON, TASKS, HTTP],
    },
    Layer {
        name: "kew-embedded",
        may: &["kew-model", "kew-journal"],
        tests_may: &["kew-embedded", "kew-testkit"],
        never: &["serde", JSON, HTTP, "rustix"],
    },
    Layer { name: "kew-wire", may: &["kew-model"], tests_may: &[], never: &[TASKS, HTTP, "axum", "rustix"] },
    Layer {
        name: "kew-server",
        may: &["kew-model", "kew-wire"],
        tests_may: &["kew-embedded", "kew-journal", "kew-testkit"],
        never: &["rustix"],
    },
    Layer {
        name: "kew-cli",
        may: &["kew-model", "kew-journal", "kew-embedded", "kew-wire", "kew-server"],
        tests_may: &["kew-testkit"],
        never: &[],
    },
    Layer { name: "kew-testkit", may: &["kew-model"], tests_may: &[], never: &[JSON, TASKS, HTTP] },
    Layer { name: "kew-proof", may: &["kew-testkit"], tests_may: &[], never: &[TASKS, HTTP] },
    Layer { name: "kew-noop", may: &[], tests_may: &[], never: &[] },
    Layer { name: "xtask", may: &[], tests_may: &[], never: &[] },
];

/// The most crates, ours included, that the binary may be built from.
const CRATES_MAX: usize = 180;

/// Dependencies that the table does not allow.
pub(super) fn edges(packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            complaints
                .push(format!("{}: not in the table of layers (xtask/src/tidy/layers.rs)", package.name));
            continue;
        };
        for (dependency, is_for_tests) in &package.dependencies {
            let is_ours = packages.iter().any(|other| other.name == *dependency);
            let name = dependency.as_str();
            let is_allowed = layer.may.contains(&name) || *is_for_tests && layer.tests_may.contains(&name);
            if is_ours && !is_allowed || !is_for_tests && layer.never.contains(&name) {
                complaints.push(format!("{}: must not depend on {name}", package.name));
            }
        }
    }
    complaints
}

/// Manifests that do not take over the lints of the workspace, which forbid `unsafe` among others.
pub(super) fn manifests(packages: &[Package]) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in packages {
        let path = package.manifest.display();
        let text =
            std::fs::read_to_string(&package.manifest).with_context(|| format!("cannot read {path}"))?;
        if !text.contains("[lints]\nworkspace = true\n") {
            complaints.push(format!("{path}: does not take over the lints of the workspace"));
        }
    }
    Ok(complaints)
}

/// Whether the binary is built from too many crates.
pub(super) fn tree() -> anyhow::Result<Option<String>> {
    let words = ["cargo", "tree", "--package", "kew-cli", "--edges", "normal,build", "--prefix", "none"];
    let text = program::output(&words)?;
    let count = distinct(&text);
    Ok((count > CRATES_MAX)
        .then(|| format!("kew-cli: built from {count} crates, and {CRATES_MAX} are the most")))
}

/// The number of crates in what `cargo tree` prints; it marks repeated ones at the end of the line.
fn distinct(tree: &str) -> usize {
    let crates: BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.len()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependencies = dependencies.iter().map(|(name, tests)| ((*name).to_owned(), *tests)).collect();
        Package { name: name.to_owned(), manifest: PathBuf::new(), dependencies }
    }

    #[test]
    fn what_the_table_allows_passes() {
        let server = package("kew-server", &[("kew-model", false), ("hyper", false), ("kew-testkit", true)]);
        let packages = [server, package("kew-model", &[]), package("kew-testkit", &[])];
        assert_eq!(edges(&packages), [""; 0]);
    }

    #[test]
    fn what_the_table_does_not_allow_is_named() {
        let server = package("kew-server", &[("kew-embedded", false), ("kew-testkit", false)]);
        let model = package("kew-model", &[("tokio", false)]);
        let packages = [server, model, package("kew-embedded", &[]), package("kew-testkit", &[])];
        let expected = [
            "kew-server: must not depend on kew-embedded",
            "kew-server: must not depend on kew-testkit",
            "kew-model: must not depend on tokio",
        ];
        assert_eq!(edges(&packages), expected);
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_named() {
        assert_eq!(edges(&[package("kew-new", &[])]).len(), 1);
    }

    #[test]
    fn crates_are_counted_once() {
        assert_eq!(distinct("a v1\nb v1\na v1 (*)\nb v2\n"), 3);
    }
}
