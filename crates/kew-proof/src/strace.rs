//! The program under `strace`: watched, or with one of its calls to the kernel failing.
//!
//! strace is the server's parent and ends as it ends, with the same code.

use std::path::Path;
use std::process::{Command, Stdio};

/// How long a failing call takes to fail, in microseconds: so long that every client has a request waiting by then.
const FAILURE_DELAY_MICROSECONDS: u32 = 1_000_000;

fn strace() -> Command {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "strace is missing: install the package strace (apt-get install strace), or let cargo xtask test do it"
    );
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]);
    strace
}

/// Runs a command and writes its calls that write, sync, receive and send to the file `trace`.
///
/// # Panics
/// When there is no strace.
pub fn watching(trace: &Path) -> Command {
    let mut strace = strace();
    strace.args(["-y", "-v", "-s", "65536", "-o"]).arg(trace).args([
        "-e",
        "trace=fdatasync,fsync,pwritev,pwritev2,pwrite64,write,writev,sendto,sendmsg,read,recvfrom,recvmsg",
        "-e",
        "signal=none",
    ]);
    strace
}

/// Runs a command in which the call of a name fails with an error (such as "EIO"), once, when a thread makes it for the
/// `nth` time.
///
/// # Panics
/// When there is no strace.
pub fn failing(call: &str, error: &str, nth: u32) -> Command {
    let mut strace = strace();
    strace.args(["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", "signal=none", "-e"]);
    strace.arg(format!("inject={call}:error={error}:when={nth}:delay_enter={FAILURE_DELAY_MICROSECONDS}"));
    strace
}
