//! A disk in memory that forgets, tears and refuses as a real one may.
//!
//! What is written goes to a cache; only a sync makes it durable. A power cut decides for each unsynced 512-byte
//! sector on its own whether it is lost, kept, or torn into a mix of old and new bytes, and for each folder how
//! many of its unsynced name changes survive. A kill keeps the cache, so that a later power cut can still take
//! it. A run can be stopped at any step, and single calls can be made to fail. A write-back that failed is told once to
//! each open file, as Linux does, and what it should have written counts as clean. Everything follows from the seed.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DiskFile, Space};

mod calls;
mod files;
mod random;

use calls::SimFile;
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
    /// [`crate::Disk::lock`].
    Lock,
    /// [`crate::Disk::create_folder`].
    CreateFolder,
    /// [`crate::Disk::list`].
    List,
    /// [`crate::Disk::create`].
    Create,
    /// [`crate::Disk::open`].
    Open,
    /// [`crate::Disk::rename`].
    Rename,
    /// [`crate::Disk::remove`].
    Remove,
    /// [`crate::Disk::sync_folder`].
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
    /// as clean, as Linux does; each other file that was open by then hears of it at its next sync, and only then.
    Error(io::ErrorKind),
    /// With this error of the operating system, by its number, without effect; a sync as with [`Fault::Error`].
    Code(i32),
    /// It panics, as code with a mistake in it does.
    Panic,
    /// A write takes only half of the bytes and says so. Other calls are not affected.
    ShortWrite,
    /// A read gives one bit that is not what stands there, this once. Other calls are not affected.
    Misread,
    /// A write is taken, and then the system fails to write back what its file has unsynced. Each file that is open by
    /// then hears of it at its next sync, and only then. Other calls are not affected.
    WriteBack,
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
    read_bytes: u64,
    faults: Vec<(OperationKind, u64, Fault)>,
}

/// What a call has to do.
enum Verdict {
    Go,
    /// The process is stopped in the middle of this call.
    Stop,
    Fail(io::Error),
    /// A write takes half of the bytes.
    Halve,
    /// A read gives a wrong bit.
    Misread,
    /// What a write brings, and all else that is unsynced of its file, is lost.
    Lose,
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
        Ok(match fault.map(|(_, _, fault)| *fault) {
            None => Verdict::Go,
            Some(Fault::Error(kind)) => Verdict::Fail(io::Error::new(kind, "injected")),
            Some(Fault::Code(code)) => Verdict::Fail(io::Error::from_raw_os_error(code)),
            Some(Fault::ShortWrite) => Verdict::Halve,
            Some(Fault::Misread) => Verdict::Misread,
            Some(Fault::WriteBack) => Verdict::Lose,
            Some(Fault::Panic) => panic!("injected"),
        })
    }

    /// For calls that have no half-done state.
    fn pass(&mut self, kind: OperationKind, process: u64) -> io::Result<()> {
        match self.enter(kind, process)? {
            Verdict::Go | Verdict::Halve | Verdict::Misread | Verdict::Lose => Ok(()),
            Verdict::Stop => Err(stopped()),
            Verdict::Fail(error) => Err(error),
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
            read_bytes: 0,
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

    /// How many bytes were read.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.state().read_bytes
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

    /// Sets what [`crate::Disk::space`] answers.
    pub fn set_space(&self, space: Space) {
        self.state().space = space;
    }

    /// The names of all files, folders not included.
    #[must_use]
    pub fn file_names(&self) -> Vec<String> {
        self.state().files.names()
    }

    /// The bytes of all files together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state().files.used_bytes()
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
        let heard = AtomicU64::new(state.files.failures_heard(file));
        Arc::new(SimFile { disk: self.clone(), file, process: state.process, heard })
    }

    /// Runs a call of the process that is alive now.
    fn call<T>(&self, kind: OperationKind, run: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let process = state.process;
        state.pass(kind, process)?;
        run(&mut state)
    }
}
