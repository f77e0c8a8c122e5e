//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! Each check is a function from what it looks at to complaints; only [`run`] touches the disk. `layers` holds the table
//! of who may import whom, `text` what source and documents must not say, `documents` what documents must say, `packaging` what the unit and the images must.

mod documents;
mod layers;
mod packaging;
mod text;

use std::path::Path;

use anyhow::{Context, bail};

use crate::workspace::Workspace;
use crate::{program, say, workspace};

/// A file of the working tree that is, or is about to be, under version control.
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// Checks everything.
///
/// # Errors
/// When a rule is broken; every breach is printed first.
pub(crate) fn run() -> anyhow::Result<()> {
    let packages = Workspace::read()?.packages();
    let files = files(&workspace::root())?;
    let mut complaints = layers::edges(&packages);
    complaints.extend(layers::manifests(&packages)?);
    complaints.extend(layers::tree()?);
    complaints.extend(files.iter().flat_map(text::check));
    complaints.extend(documents::check(&packages, &files));
    complaints.extend(packaging::check(&files));
    if complaints.is_empty() {
        say::line(&format!("tidy: {} crates and {} files keep the rules", packages.len(), files.len()));
        return Ok(());
    }
    complaints.iter().for_each(|complaint| say::complaint(complaint));
    bail!("tidy: {} complaints", complaints.len())
}

/// Every text file that is not ignored. What is no UTF-8 is data, and has no rules.
fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let listed = program::output(&["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"])?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let place = root.join(path);
        // A file that was removed and not yet committed is still listed.
        if !place.is_file() {
            continue;
        }
        let bytes = std::fs::read(&place).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}
