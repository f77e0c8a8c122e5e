//! What the system knows of a process: its memory, and how many connections it holds open.
//!
//! Read from `/proc`, so on Linux only, as is all that watches the real program.

use std::fs;
use std::path::PathBuf;

use rustix::process::Pid;

/// A process as the system sees it.
#[derive(Debug, Clone)]
pub struct Vitals {
    folder: PathBuf,
}

impl Vitals {
    pub(crate) fn of(process: Pid) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{}", process.as_raw_nonzero())) }
    }

    /// The memory that it holds now, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident_bytes(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it ever held, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn peak_bytes(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// How many sockets it holds open, the listener among them.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn sockets(&self) -> usize {
        let files = fs::read_dir(self.folder.join("fd")).expect("a process that lives");
        // A file that is closed while we look is none.
        let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.folder.join("status")).expect("a process that lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("memory is told");
        let kibibytes = line.trim().strip_suffix(" kB").and_then(|number| number.parse::<u64>().ok());
        kibibytes.expect("memory is told in kB") * 1024
    }
}
