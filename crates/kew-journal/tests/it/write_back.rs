//! J9: a write-back that fails is told once to each open file, so each who syncs a segment has one of its own.

use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use kew_journal::{
    Disk, DiskFile, Fault, FolderLock, FrameBuffer, Loss, Lsn, Opened, OperationKind, SimDisk, Space, Step,
    open,
};

use crate::store::Nothing;
use crate::world::options;

/// The thread whose sync fails, and that is slow to say so.
const SLOW: &str = "slow";
/// The thread that syncs meanwhile.
const SWIFT: &str = "swift";

/// How far the two have come.
#[derive(Debug, Default)]
struct Course {
    /// What the swift one wants to be durable is written.
    is_written: bool,
    /// The slow one knows that its sync has failed, and nobody else does.
    has_failed: bool,
    /// The swift one has synced.
    is_synced: bool,
}

/// A disk on which the slow one's sync comes between the swift one's write and sync, and returns after both.
#[derive(Debug, Clone)]
struct CrossingDisk {
    disk: SimDisk,
    course: Arc<(Mutex<Course>, Condvar)>,
}

impl CrossingDisk {
    fn note(&self, note: impl FnOnce(&mut Course)) {
        note(&mut self.course.0.lock().unwrap());
        self.course.1.notify_all();
    }

    fn wait_for(&self, has_come: impl Fn(&Course) -> bool) {
        let course = self.course.0.lock().unwrap();
        drop(self.course.1.wait_while(course, |course| !has_come(course)).unwrap());
    }
}

#[derive(Debug)]
struct CrossingFile {
    disk: CrossingDisk,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for CrossingFile {
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
        match thread::current().name() {
            Some(SLOW) => {
                self.disk.wait_for(|course| course.is_written);
                let synced = self.file.sync();
                self.disk.note(|course| course.has_failed = true);
                self.disk.wait_for(|course| course.is_synced);
                synced
            }
            Some(SWIFT) => {
                self.disk.note(|course| course.is_written = true);
                self.disk.wait_for(|course| course.has_failed);
                let synced = self.file.sync();
                self.disk.note(|course| course.is_synced = true);
                synced
            }
            _ => self.file.sync(),
        }
    }
}

impl Disk for CrossingDisk {
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
        Ok(Arc::new(CrossingFile { disk: self.clone(), file: self.disk.create(name)? }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CrossingFile { disk: self.clone(), file: self.disk.open(name)? }))
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

fn opened(disk: &SimDisk) -> Opened {
    let disk = CrossingDisk { disk: disk.clone(), course: Arc::default() };
    let mut opened = open(Arc::new(disk), options(), &mut Nothing).unwrap();
    stage(&mut opened);
    let group = opened.journal.take_group().unwrap();
    opened.committer.commit(group).unwrap();
    opened
}

fn stage(opened: &mut Opened) -> Lsn {
    opened.journal.stage(FrameBuffer::from(&b"payload"[..])).unwrap().lsn
}

/// Lets one thread's sync fail while another's is about to begin; what became of the other's.
fn cross<S: Send, W: Send>(
    disk: &SimDisk,
    slow: impl FnOnce() -> S + Send,
    swift: impl FnOnce() -> W + Send,
) -> (S, W) {
    let next = disk.calls(OperationKind::Sync) + 1;
    disk.fail(OperationKind::Sync, next, Fault::Error(io::ErrorKind::Other));
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    thread::scope(|scope| {
        let slow = named(SLOW).spawn_scoped(scope, slow).unwrap();
        let swift = named(SWIFT).spawn_scoped(scope, swift).unwrap();
        (slow.join().unwrap(), swift.join().unwrap())
    })
}

/// The last payload that is there after a power cut.
fn last_after_a_power_cut(disk: &SimDisk) -> Lsn {
    disk.power_cut(Loss::Everything);
    let next = open(Arc::new(disk.clone()), options(), &mut Nothing).unwrap().journal.next_lsn();
    Lsn(next.0 - 1)
}

#[test]
fn a_failed_sync_of_a_group_is_not_hidden_from_the_one_beside_it() {
    // Given two groups under way at once, both written
    let disk = SimDisk::new(1);
    let mut opened = opened(&disk);
    stage(&mut opened);
    let group = opened.journal.take_group();
    let mut first = opened.committer.begin(group).unwrap();
    stage(&mut opened);
    let group = opened.journal.take_group();
    let mut second = opened.committer.begin(group).unwrap();

    // When the later one's sync fails, and the earlier one syncs before anybody is told
    let (failed, landed) =
        cross(&disk, || second.run().is_err(), || first.run().and_then(|()| first.land().map(drop)));

    // Then it fails, too, for what it wrote is lost
    assert!(failed);
    assert!(landed.is_err(), "{landed:?}");
    assert_eq!(last_after_a_power_cut(&disk), Lsn(1));
}

#[test]
fn a_failed_sync_of_the_preparer_is_not_hidden_from_a_group() {
    // Given a group that is written, and blocks behind it that are being filled
    let disk = SimDisk::new(1);
    let mut opened = opened(&disk);
    stage(&mut opened);
    let group = opened.journal.take_group();
    let mut flight = opened.committer.begin(group).unwrap();

    // When the preparer's sync fails, and the group is synced before anybody is told
    let Opened { preparer, .. } = &mut opened;
    let (step, landed) =
        cross(&disk, || preparer.step(), || flight.run().and_then(|()| flight.land().map(drop)));

    // Then the group fails, too
    assert!(!matches!(step, Ok(Step::Idle | Step::NoSpace | Step::NoFiles | Step::Worked)), "{step:?}");
    assert!(landed.is_err(), "{landed:?}");
    assert_eq!(last_after_a_power_cut(&disk), Lsn(1));
}

#[test]
fn the_simulated_disk_tells_each_open_file_once() {
    // Given a file that is open three times, and what one of them wrote
    let disk = SimDisk::new(1);
    let files = [disk.create("file"), disk.open("file"), disk.open("file")].map(Result::unwrap);
    disk.fail(OperationKind::Write, 1, Fault::WriteBack);
    files[0].write_at(&[IoSlice::new(b"lost")], 0).unwrap();

    // When it could not be written back, then each hears of that once, and one that is opened later does not
    assert!(files[1].sync().is_err() && files[2].sync().is_err() && files[0].sync().is_err());
    assert!(disk.open("file").unwrap().sync().is_ok());
    files.iter().for_each(|file| file.sync().unwrap());
    disk.sync_folder("").unwrap();
    disk.power_cut(Loss::Nothing);
    assert_ne!(disk.contents("file").unwrap(), b"lost");

    // One that is opened before anybody has heard of it does
    let file = disk.open("file").unwrap();
    disk.fail(OperationKind::Write, disk.calls(OperationKind::Write) + 1, Fault::WriteBack);
    file.write_at(&[IoSlice::new(b"lost")], 0).unwrap();
    drop(file);
    assert!(disk.open("file").unwrap().sync().is_err());
    assert!(disk.open("file").unwrap().sync().is_ok());
}
