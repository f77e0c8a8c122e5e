//! What the tests need beside the Rust toolchain, installed where it is missing.
//!
//! Python packages go to `.tools/`, node packages to `node_modules` beside their suite: both inside the working tree,
//! both pinned with hashes by a committed lock file, whose text is kept beside what it installed. So a second run
//! installs nothing, and a changed lock file installs anew. Programs of the system (strace, curl, c++) come from the system's
//! package manager, in its version, and only when they are missing.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::program::{self, Program};
use crate::{say, workspace};

/// Programs of the system that tests start, and the packages that hold them. The search for bad input compiles C++.
const SYSTEM: [(&str, &str); 4] =
    [("curl", "curl"), ("strace", "strace"), ("c++", "g++"), ("systemd-analyze", "systemd")];
/// The same for tests that only root can run, and that are skipped, and say so, without them: the power is cut of file
/// systems that are made for it.
const OF_ROOT: [(&str, &str); 1] = [("mkfs.xfs", "xfsprogs")];
/// Suites that run on Python, each with packages of its own.
const PYTHON_SUITES: [&str; 2] = ["python", "openapi"];
/// Suites that run on node.
const NODE_SUITES: [&str; 2] = ["typescript", "wrangler"];
/// The oldest releases that the suites run on: schemathesis wants that Python, the official clients that Node.js.
const PYTHON_MIN: (u32, u32) = (3, 11);
const NODE_MIN: (u32, u32) = (20, 0);

/// Installs everything that is missing.
///
/// # Errors
/// What is missing and cannot be installed, with the name of the package.
pub(crate) fn everything() -> anyhow::Result<()> {
    system()?;
    version("python3", PYTHON_MIN)?;
    version("node", NODE_MIN)?;
    PYTHON_SUITES.iter().try_for_each(|suite| python_packages(suite))?;
    NODE_SUITES.iter().try_for_each(|suite| node_packages(suite))
}

/// The interpreter that has the packages of a suite.
pub(crate) fn python(suite: &str) -> PathBuf {
    environment(suite).join("bin").join("python")
}

fn environment(suite: &str) -> PathBuf {
    workspace::root().join(".tools").join(suite)
}

fn system() -> anyhow::Result<()> {
    let has_apt = program::exists("apt-get");
    let is_root = program::output(&["id", "-u"])?.trim() == "0";
    let needed = missing(&SYSTEM);
    if !needed.is_empty() {
        let packages = needed.join(" ");
        ensure!(has_apt, "the tests need these packages, please install them: {packages}");
        ensure!(is_root, "the tests need these packages: apt-get install {packages} (as root)");
        apt(&needed).with_context(|| format!("cannot install {packages}"))?;
    }
    let wanted = missing(&OF_ROOT);
    if is_root
        && has_apt
        && !wanted.is_empty()
        && let Err(error) = apt(&wanted)
    {
        say::complaint(&format!("cannot install {}, so some tests are skipped: {error:#}", wanted.join(" ")));
    }
    Ok(())
}

/// The packages of the programs that are not there.
fn missing(programs: &[(&str, &'static str)]) -> Vec<&'static str> {
    programs.iter().filter(|(name, _)| !program::exists(name)).map(|(_, package)| *package).collect()
}

fn apt(packages: &[&str]) -> anyhow::Result<()> {
    say::line(&format!("installing by apt-get: {}", packages.join(" ")));
    let install = ["apt-get", "install", "--yes", "--no-install-recommends"];
    for words in [&["apt-get", "update"][..], &[&install[..], packages].concat()] {
        Program::new(words).variable("DEBIAN_FRONTEND", "noninteractive").run()?;
    }
    Ok(())
}

/// Checks that a program is there and new enough.
fn version(name: &str, least: (u32, u32)) -> anyhow::Result<()> {
    let (major, minor) = least;
    ensure!(program::exists(name), "the tests need {name} {major}.{minor} or newer, and there is none");
    let text = program::output(&[name, "--version"])?;
    let found = version_of(&text).with_context(|| format!("{name} --version prints {text:?}"))?;
    ensure!(found >= least, "the tests need {name} {major}.{minor} or newer, and this is {}", text.trim());
    Ok(())
}

/// Major and minor version in a text as `Python 3.11.7` or `v20.20.2`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let mut numbers = digits.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn python_packages(suite: &str) -> anyhow::Result<()> {
    let lock = workspace::root().join("conformance").join(suite).join("requirements.txt");
    let folder = environment(suite);
    let installed = folder.join("installed.txt");
    if is_same(&lock, &installed) {
        return Ok(());
    }
    say::line(&format!("installing into .tools/{suite}"));
    let place = folder.to_string_lossy().into_owned();
    if Program::new(&["python3", "-m", "venv", "--clear", &place]).run().is_err() {
        bail!("python3 cannot make virtual environments: install the package python3-venv");
    }
    let interpreter = python(suite).to_string_lossy().into_owned();
    let pip = Program::new(&[&interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.argument("--require-hashes").argument("--requirement").argument(&lock.to_string_lossy()).run()?;
    remember(&lock, &installed)
}

fn node_packages(suite: &str) -> anyhow::Result<()> {
    let folder = workspace::root().join("conformance").join(suite);
    let (lock, installed) =
        (folder.join("package-lock.json"), folder.join("node_modules").join("installed.json"));
    if is_same(&lock, &installed) {
        return Ok(());
    }
    ensure!(program::exists("npm"), "the tests need npm, which comes with Node.js");
    say::line(&format!("installing into conformance/{suite}/node_modules"));
    // Install scripts only fetch what the optional packages bring already.
    let npm = Program::new(&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.within(&folder).run()?;
    remember(&lock, &installed)
}

fn is_same(lock: &Path, installed: &Path) -> bool {
    let read = |path| std::fs::read(path).ok();
    read(lock).is_some_and(|text| read(installed) == Some(text))
}

fn remember(lock: &Path, installed: &Path) -> anyhow::Result<()> {
    std::fs::copy(lock, installed).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        assert_eq!(version_of("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(version_of("v20.20.2"), Some((20, 20)));
        assert_eq!(version_of("unknown"), None);
    }

    #[test]
    fn a_lock_file_is_installed_once_and_again_after_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, installed) = (folder.path().join("lock"), folder.path().join("installed"));
        std::fs::write(&lock, "one").unwrap();
        assert!(!is_same(&lock, &installed));
        remember(&lock, &installed).unwrap();
        assert!(is_same(&lock, &installed));
        std::fs::write(&lock, "two").unwrap();
        assert!(!is_same(&lock, &installed));
    }
}
