//! The file `STORE`: what the folder is, written once.
//!
//! It holds the store's identity, which seeds every checksum, and the segment size, which is fixed for life. It
//! is written before anything else and synced under a temporary name, so a folder either has a whole one or is
//! no store yet. The layout is docs/format-journal.md §2.

use std::io::{self, IoSlice};

use crate::disk::Disk;
use crate::error::Error;
use crate::frame::{read_u32, read_u64};
use crate::options::Options;
use crate::pool::write_all;
use crate::shared::{CHECKPOINT_FOLDER, FORMAT_MAJOR, FORMAT_MINOR, LOG_FOLDER};

/// The name of the lock file.
pub(crate) const LOCK_NAME: &str = "LOCK";
pub(crate) const NAME: &str = "STORE";
const TEMPORARY: &str = "STORE.tmp";
const MAGIC: [u8; 8] = *b"KEWSTORE";
const SIZE: usize = 64;

fn encode(options: &Options) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
    bytes[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
    bytes[12..16].copy_from_slice(&options.segment_bytes.to_le_bytes());
    bytes[16..32].copy_from_slice(&options.store_id);
    bytes[32..40].copy_from_slice(&options.created_ms.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Replaces the settings that were fixed at creation by the stored ones.
fn decode(bytes: &[u8], options: &mut Options) -> Result<(), Error> {
    if bytes.len() < SIZE || bytes[0..8] != MAGIC {
        return Err(Error::NotAStore { reason: "the file STORE was not written by Kew".to_owned() });
    }
    let major = u16::from_le_bytes([bytes[8], bytes[9]]);
    if major > FORMAT_MAJOR {
        return Err(Error::Version { file: NAME.to_owned(), found: major, supported: FORMAT_MAJOR });
    }
    if crc32c::crc32c(&bytes[..60]) != read_u32(bytes, 60) {
        return Err(Error::damage(NAME, 0, "the checksum does not match"));
    }
    options.segment_bytes = read_u32(bytes, 12);
    options.store_id.copy_from_slice(&bytes[16..32]);
    options.created_ms = read_u64(bytes, 32);
    options.check()
}

/// Reads `STORE`, or creates the store if the folder is empty. True when it was created.
pub(crate) fn open_or_create(disk: &dyn Disk, options: &mut Options) -> Result<bool, Error> {
    if !read(disk, options)? {
        create(disk, options)?;
        return Ok(true);
    }
    for folder in [LOG_FOLDER, CHECKPOINT_FOLDER] {
        match disk.list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::damage(folder, 0, "the folder is missing"));
            }
            listed => drop(listed.map_err(|source| Error::disk("list", folder, source))?),
        }
    }
    Ok(false)
}

/// Looks whether the folder is a store's or may become one, before anything in it is touched, the lock included.
pub(crate) fn look_before_locking(disk: &dyn Disk, options: &Options) -> Result<(), Error> {
    if read(disk, &mut options.clone())? { Ok(()) } else { judge_contents(disk).map(drop) }
}

/// Reads `STORE`; false when there is none.
pub(crate) fn read(disk: &dyn Disk, options: &mut Options) -> Result<bool, Error> {
    let file = match disk.open(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(|source| Error::disk("open", NAME, source))?,
    };
    let mut bytes = [0; SIZE];
    let count = file.read_at(&mut bytes, 0).map_err(|source| Error::disk("read", NAME, source))?;
    match decode(&bytes[..count], options) {
        Err(Error::NotAStore { .. }) if holds_log(disk) => Err(Error::damage(
            NAME,
            0,
            format!("it was overwritten or cut short: the folder {LOG_FOLDER} holds a log"),
        )),
        decoded => decoded.map(|()| true),
    }
}

/// The file's bytes.
pub(crate) fn bytes(disk: &dyn Disk) -> Result<[u8; SIZE], Error> {
    let mut bytes = [0; SIZE];
    let read = disk.open(NAME).and_then(|file| file.read_at(&mut bytes, 0));
    let count = read.map_err(|source| Error::disk("read", NAME, source))?;
    decode(&bytes[..count], &mut Options::new([0; 16], 0))?;
    Ok(bytes)
}

/// Refuses a folder without `STORE` that holds something else than a creation that was cut short leaves; says whether it
/// holds a draft of that file.
pub(crate) fn judge_contents(disk: &dyn Disk) -> Result<bool, Error> {
    let mut has_draft = false;
    for name in disk.list("").map_err(|source| Error::disk("list", ".", source))? {
        match name.as_str() {
            LOCK_NAME => {}
            TEMPORARY => has_draft = true,
            LOG_FOLDER | CHECKPOINT_FOLDER => require_empty(disk, &name)?,
            _ => return Err(foreign(&name)),
        }
    }
    Ok(has_draft)
}

fn foreign(name: &str) -> Error {
    Error::NotAStore { reason: format!("the folder holds {name:?} and no file STORE") }
}

fn create(disk: &dyn Disk, options: &Options) -> Result<(), Error> {
    options.check()?;
    if judge_contents(disk)? {
        disk.remove(TEMPORARY).map_err(|source| Error::disk("remove", TEMPORARY, source))?;
    }
    for folder in [LOG_FOLDER, CHECKPOINT_FOLDER] {
        disk.create_folder(folder).map_err(|source| Error::disk("create", folder, source))?;
    }
    let file = disk.create(TEMPORARY).map_err(|source| Error::disk("create", TEMPORARY, source))?;
    write_all(&*file, TEMPORARY, &[IoSlice::new(&encode(options))], 0)?;
    file.sync().map_err(|source| Error::disk("sync", TEMPORARY, source))?;
    // A folder with a STORE always has the other two, whatever order names reach the disk in.
    disk.sync_folder("").map_err(|source| Error::disk("sync", ".", source))?;
    disk.rename(TEMPORARY, NAME).map_err(|source| Error::disk("rename", TEMPORARY, source))
}

/// A folder of one of the log's names: empty, or else with files of a log, whose `STORE` is lost then, or with somebody
/// else's.
fn require_empty(disk: &dyn Disk, folder: &str) -> Result<(), Error> {
    let inside = match disk.list(folder) {
        Ok(inside) => inside,
        // A file, and so nothing that a store has.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(foreign(folder)),
        Err(error) => return Err(Error::disk("list", folder, error)),
    };
    match inside.first() {
        None => Ok(()),
        Some(_) if inside.iter().any(|name| is_ours(name)) => {
            Err(Error::damage(NAME, 0, format!("it is missing, but the folder {folder} is not empty")))
        }
        Some(_) => Err(foreign(folder)),
    }
}

/// Whether a name in one of the folders is one that a store gives.
fn is_ours(name: &str) -> bool {
    let number = name.split_once('.').map(|(number, _)| number);
    number.is_some_and(|number| number.len() == 16 && u64::from_str_radix(number, 16).is_ok())
}

/// Whether a log lies beside `STORE`, whatever that holds: then it was Kew's.
fn holds_log(disk: &dyn Disk) -> bool {
    disk.list(LOG_FOLDER).is_ok_and(|inside| inside.iter().any(|name| is_ours(name)))
}
