//! Gates at which threads wait, and a disk on which syncs of some files do.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};

use kew_journal::{Disk, DiskFile, FolderLock, SimDisk, Space};

/// Where threads wait while it is closed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many are held up.
    holds_most: usize,
    waiting: usize,
    /// How many went through, held up or not.
    passed: usize,
    /// Which thread did last.
    last: Option<ThreadId>,
}

impl Gate {
    /// Holds up all who come.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().holds_most = usize::MAX;
    }

    /// Holds up the first who comes, while others pass.
    pub(crate) fn close_to_one(&self) {
        self.state.lock().unwrap().holds_most = 1;
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().holds_most = 0;
        self.news.notify_all();
    }

    /// Returns when somebody has passed since the gate was made, beside so many.
    pub(crate) fn is_passed(&self, before: usize) {
        let state = self.state.lock().unwrap();
        drop(self.news.wait_while(state, |state| state.passed <= before).unwrap());
    }

    /// Returns when another thread than this was the last to pass.
    pub(crate) fn is_passed_elsewhere(&self) {
        let here = Some(thread::current().id());
        let state = self.state.lock().unwrap();
        drop(self.news.wait_while(state, |state| state.last == here).unwrap());
    }

    /// How many have passed.
    pub(crate) fn passed(&self) -> usize {
        self.state.lock().unwrap().passed
    }

    /// Whether this very thread was the last to pass.
    pub(crate) fn was_passed_here(&self) -> bool {
        self.state.lock().unwrap().last == Some(thread::current().id())
    }

    /// Returns when a thread waits here.
    pub(crate) fn is_met(&self) {
        let state = self.state.lock().unwrap();
        drop(self.news.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    /// Waits here while it is closed.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        if state.waiting < state.holds_most {
            state.waiting += 1;
            self.news.notify_all();
            state = self.news.wait_while(state, |state| state.holds_most > 0).unwrap();
            state.waiting -= 1;
        }
        state.passed += 1;
        state.last = Some(thread::current().id());
        drop(state);
        self.news.notify_all();
    }
}

#[derive(Debug, Clone)]
pub(crate) struct GatedDisk {
    disk: Arc<SimDisk>,
    gates: Vec<(&'static str, Arc<Gate>)>,
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl GatedDisk {
    /// A disk with a gate before the syncs of the files in one folder.
    pub(crate) fn new(disk: SimDisk, folder: &'static str) -> (Self, Arc<Gate>) {
        Self { disk: Arc::new(disk), gates: Vec::new() }.and(folder)
    }

    /// The same with another gate before those of another folder.
    pub(crate) fn and(mut self, folder: &'static str) -> (Self, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        self.gates.push((folder, Arc::clone(&gate)));
        (self, gate)
    }

    fn gated(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        match self.gates.iter().find(|(folder, _)| name.starts_with(folder)) {
            Some((_, gate)) => Arc::new(GatedFile { file, gate: Arc::clone(gate) }),
            None => file,
        }
    }
}

impl Disk for GatedDisk {
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn FolderLock>>> {
        self.disk.lock(name)
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.disk.create_folder(folder)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name).map(|file| self.gated(name, file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name).map(|file| self.gated(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

impl DiskFile for GatedFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(slices, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }
}
