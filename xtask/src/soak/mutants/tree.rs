//! A copy of the project in which places are changed.
//!
//! It stays between runs, and only files that differ are written, so that a build of it continues from the one before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::program;

/// Makes the copy what the project is now, and gives the names of the files that were not so.
///
/// # Errors
/// When git cannot list the project's files, or one of them cannot be copied.
pub(super) fn update(project: &Path, copy: &Path) -> anyhow::Result<BTreeSet<String>> {
    let listed = program::output(&["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"])?;
    // A file that was removed and not yet committed is still listed.
    let named = listed.split('\0').filter(|name| !name.is_empty() && project.join(name).is_file());
    become_like(project, copy, &named.map(str::to_owned).collect())
}

fn become_like(project: &Path, copy: &Path, names: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    let mut changed = BTreeSet::new();
    fs::create_dir_all(copy).with_context(|| format!("cannot make {}", copy.display()))?;
    for name in found(copy, copy)?.difference(names) {
        let place = copy.join(name);
        fs::remove_file(&place).with_context(|| format!("cannot remove {}", place.display()))?;
        changed.insert(name.clone());
    }
    for name in names {
        let (from, to) = (project.join(name), copy.join(name));
        let wanted = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        if fs::read(&to).is_ok_and(|there| there == wanted) {
            continue;
        }
        let folder = to.parent().unwrap_or(copy);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&to, wanted).with_context(|| format!("cannot write {}", to.display()))?;
        changed.insert(name.clone());
    }
    Ok(changed)
}

/// The names of the files below a folder, as seen from `root`.
fn found(root: &Path, folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let place: PathBuf = entry?.path();
        if place.is_dir() {
            names.append(&mut found(root, &place)?);
        } else {
            names.insert(place.strip_prefix(root).unwrap_or(&place).to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_copy_becomes_what_the_project_is_and_only_what_differs_is_written() {
        // Given a project, and a copy of it in which a file was changed and another one left over.
        let folder = tempfile::tempdir().unwrap();
        let (project, copy) = (folder.path().join("project"), folder.path().join("copy"));
        fs::create_dir_all(project.join("src")).unwrap();
        for name in ["a.rs", "src/b.rs", "beside.txt"] {
            fs::write(project.join(name), name).unwrap();
        }
        let listed = names(&["a.rs", "src/b.rs"]);
        assert_eq!(become_like(&project, &copy, &listed).unwrap(), listed);
        fs::write(copy.join("src/b.rs"), "a place of it was changed").unwrap();
        fs::write(copy.join("src/old.rs"), "left over").unwrap();

        // When it is brought up to date.
        let changed = become_like(&project, &copy, &listed).unwrap();

        // Then it is the project again, and what was not so is named.
        assert_eq!(changed, names(&["src/b.rs", "src/old.rs"]));
        assert_eq!(found(&copy, &copy).unwrap(), listed);
        assert_eq!(fs::read_to_string(copy.join("src/b.rs")).unwrap(), "src/b.rs");
    }
}
