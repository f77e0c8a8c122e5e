//! A disk in memory that forgets, tears and refuses as a real one may.
//!
//! What is written goes to a cache; only a sync makes it durable. A power cut decides for each unsynced 512-byte
//! sector on its own whether it is lost, kept, or torn into a mix of old and new bytes, and for each folder how
//! many of its unsynced name changes survive. A kill keeps the cache, so that a later power cut can still take
//! it. A run can be stopped at any step, and single calls can be made to fail. Everything follows from the seed.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, FolderLock, Space};

mod files;
mod random;

use files::Files;
use random::Random;

/// What a power cut does to unsynced sectors and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    Everything,
    /// None is lost.
    Nothing,
    /// Every sector is torn, and of the names of each folder some survive.
    Torn,
    /// Each is decided by the dice.
    Random,
}

/// The calls that can be counted and made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationKind {
    /// [`Disk::lock`].
    Lock,
    /// [`Disk::create_folder`].
    CreateFolder,
    /// [`Disk::list`].
    List,
    /// [`Disk::create`].
    Create,
    /// [`Disk::open`].
    Open,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::sync_folder`].
    SyncFolder,
    /// [`DiskFile::size`].
    Size,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::sync`].
    Sync,
}

impl OperationKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Lock,
        Self::CreateFolder,
        Self::List,
        Self::Create,
        Self::Open,
        Self::Rename,
        Self::Remove,
        Self::SyncFolder,
        Self::Size,
        Self::Read,
        Self::Write,
        Self::Sync,
    ];

    /// Whether the call changes something, and therefore counts as a step.
    #[must_use]
    pub const fn is_step(self) -> bool {
        !matches!(self, Self::Lock | Self::List | Self::Open | Self::Size | Self::Read)
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// With an error of this kind, without effect. A failed sync loses what it should have written, and marks it
    /// as clean, as Linux does.
    Error(io::ErrorKind),
    /// A write takes only half of the bytes and says so. Other calls are not affected.
    ShortWrite,
}

#[derive(Debug)]
struct State {
    files: Files,
    random: Random,
    space: Space,
    /// Handles and locks of an earlier process are void.
    process: u64,
    locked: bool,
    steps: u64,
    stop_at: Option<u64>,
    stopped: bool,
    calls: [u64; OperationKind::ALL.len()],
    faults: Vec<(OperationKind, u64, Fault)>,
}

/// What a call has to do.
enum Verdict {
    Go,
    /// The process is stopped in the middle of this call.
    Stop,
    Fail(Fault),
}

impl State {
    fn enter(&mut self, kind: OperationKind, process: u64) -> io::Result<Verdict> {
        if self.stopped || process != self.process {
            return Err(stopped());
        }
        let count = &mut self.calls[kind as usize];
        *count += 1;
        let count = *count;
        if kind.is_step() {
            self.steps += 1;
            if self.stop_at == Some(self.steps) {
                self.stopped = true;
                return Ok(Verdict::Stop);
            }
        }
        let fault = self.faults.iter().find(|(of, nth, _)| *of == kind && *nth == count);
        Ok(fault.map_or(Verdict::Go, |(_, _, fault)| Verdict::Fail(*fault)))
    }

    /// For calls that have no half-done state.
    fn pass(&mut self, kind: OperationKind, process: u64) -> io::Result<()> {
        match self.enter(kind, process)? {
            Verdict::Go | Verdict::Fail(Fault::ShortWrite) => Ok(()),
            Verdict::Stop => Err(stopped()),
            Verdict::Fail(Fault::Error(kind)) => Err(io::Error::new(kind, "injected")),
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("the process was stopped")
}

/// The simulated disk. Clones are handles to the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose accidents follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            files: Files::default(),
            random: Random::new(seed),
            space: Space { free_bytes: 1 << 40, total_bytes: 1 << 40 },
            process: 0,
            locked: false,
            steps: 0,
            stop_at: None,
            stopped: false,
            calls: [0; OperationKind::ALL.len()],
            faults: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another disk in the same state, cache included, whose accidents follow from `seed`. Nobody has it open.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let fork = Self::new(seed);
        let state = self.state();
        let mut copy = fork.state();
        copy.files = state.files.clone();
        copy.space = state.space;
        drop((copy, state));
        fork
    }

    /// How many changing calls there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// How many calls of a kind there were.
    #[must_use]
    pub fn calls(&self, kind: OperationKind) -> u64 {
        self.state().calls[kind as usize]
    }

    /// Stops the process in the middle of its `step`-th changing call, counted from the disk's beginning: a write
    /// is done in part, anything else not at all, and every later call fails.
    pub fn stop_at(&self, step: u64) {
        self.state().stop_at = Some(step);
    }

    /// Whether the process was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Makes the `nth` call of a kind fail, counted from the disk's beginning, from 1.
    pub fn fail(&self, kind: OperationKind, nth: u64, fault: Fault) {
        self.state().faults.push((kind, nth, fault));
    }

    /// Ends the process. The cache survives, unsynced; handles and the lock do not.
    pub fn kill(&self) {
        let mut state = self.state();
        state.process += 1;
        state.locked = false;
        state.stopped = false;
        state.stop_at = None;
        state.faults.clear();
    }

    /// Cuts the power, which also ends the process.
    pub fn power_cut(&self, loss: Loss) {
        self.kill();
        let state = &mut *self.state();
        state.files.lose(loss, &mut state.random);
    }

    /// Sets what [`Disk::space`] answers.
    pub fn set_space(&self, space: Space) {
        self.state().space = space;
    }

    /// The names of all files, folders not included.
    #[must_use]
    pub fn file_names(&self) -> Vec<String> {
        self.state().files.names()
    }

    /// The bytes of a file, as a process would read them; `None` when there is no such file.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.files.find(name).map(|file| state.files.read(file).to_vec())
    }

    /// Replaces the bytes of a file behind the journal's back, durably. Creates it if there is none.
    ///
    /// # Panics
    /// When the folder does not exist.
    pub fn overwrite(&self, name: &str, bytes: &[u8]) {
        self.state().files.overwrite(name, bytes);
    }

    fn handle(&self, state: &State, file: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), file, process: state.process })
    }

    /// Runs a call of the process that is alive now.
    fn call<T>(&self, kind: OperationKind, run: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let process = state.process;
        state.pass(kind, process)?;
        run(&mut state)
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    process: u64,
}

impl FolderLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.process == self.process {
            state.locked = false;
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: u64,
    process: u64,
}

impl Disk for SimDisk {
    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn FolderLock>>> {
        self.call(OperationKind::Lock, |state| {
            if state.locked {
                return Ok(None);
            }
            state.locked = true;
            Ok(Some(Box::new(SimLock { disk: self.clone(), process: state.process }) as Box<dyn FolderLock>))
        })
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        self.call(OperationKind::CreateFolder, |state| {
            state.files.create_folder(folder);
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.call(OperationKind::List, |state| state.files.list(folder))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.call(OperationKind::Create, |state| {
            let file = state.files.create(name)?;
            Ok(self.handle(state, file))
        })
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.call(OperationKind::Open, |state| {
            let file = state.files.find(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(self.handle(state, file))
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(OperationKind::Rename, |state| state.files.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(OperationKind::Remove, |state| state.files.remove(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.call(OperationKind::SyncFolder, |state| state.files.sync_folder(folder))
    }

    fn space(&self) -> io::Result<Space> {
        Ok(self.state().space)
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.pass(OperationKind::Size, self.process)?;
        Ok(state.files.read(self.file).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.pass(OperationKind::Read, self.process)?;
        let bytes = state.files.read(self.file);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.state();
        let verdict = state.enter(OperationKind::Write, self.process)?;
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let take = match verdict {
            Verdict::Go => wanted,
            Verdict::Stop => state.random.up_to(wanted),
            Verdict::Fail(Fault::ShortWrite) => wanted / 2,
            Verdict::Fail(Fault::Error(kind)) => return Err(io::Error::new(kind, "injected")),
        };
        let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut left = take;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            state.files.write(self.file, at, part, &mut state.random);
            at += part.len();
            left -= part.len();
        }
        if matches!(verdict, Verdict::Stop) { Err(stopped()) } else { Ok(take) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        match state.enter(OperationKind::Sync, self.process)? {
            Verdict::Go | Verdict::Fail(Fault::ShortWrite) => {
                state.files.sync(self.file);
                Ok(())
            }
            Verdict::Stop => Err(stopped()),
            Verdict::Fail(Fault::Error(kind)) => {
                state.files.fail_sync(self.file);
                Err(io::Error::new(kind, "injected"))
            }
        }
    }
}
