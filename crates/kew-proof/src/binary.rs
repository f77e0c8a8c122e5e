//! Where the program under test is: the one named by `KEW_BINARY`, else the one of this build.
//!
//! Cargo builds a test's own package only, so the program of `kew-cli` is built on demand, with the profile and into the
//! target folder that the running test came from. When it is up to date, that is a matter of a moment.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program `kew`.
///
/// # Panics
/// When it cannot be built, or `KEW_BINARY` names no file.
pub(crate) fn path() -> PathBuf {
    if let Some(named) = env::var_os("KEW_BINARY") {
        let path = PathBuf::from(named);
        return path.canonicalize().unwrap_or_else(|error| panic!("KEW_BINARY: {}: {error}", path.display()));
    }
    // TARGET/PROFILE/deps/it-0123456789abcdef
    let this = env::current_exe().expect("a test knows its own path");
    let profile_folder = this.ancestors().nth(2).expect("tests lie in a folder of their profile");
    let target = profile_folder.parent().expect("profiles lie in the target folder");
    let profile = match profile_folder.file_name().and_then(OsStr::to_str) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("{} is no folder of a profile", profile_folder.display()),
    };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "kew-cli", "--bin", "kew", "--profile", profile]);
    build.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    let built = build.output().expect("cargo starts");
    assert!(built.status.success(), "kew was not built: {}", String::from_utf8_lossy(&built.stderr));
    profile_folder.join("kew")
}
