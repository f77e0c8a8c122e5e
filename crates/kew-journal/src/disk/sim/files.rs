//! The simulated file system: bytes and names, each in a cached and a durable version.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::Loss;
use super::random::Random;

const SECTOR: usize = 512;

/// A file's bytes.
#[derive(Debug, Clone, Default)]
struct Contents {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that a sync would write.
    dirty: BTreeSet<usize>,
    /// Sectors that a failed write-back marked as clean although they are not durable.
    forgotten: BTreeSet<usize>,
    /// How many write-backs have failed.
    failures: u64,
    /// Whether somebody has heard of the last of them.
    is_heard: bool,
}

/// A change of names that is not durable yet.
#[derive(Debug, Clone)]
enum Change {
    Link { name: String, file: u64 },
    Unlink { name: String },
    Rename { from: String, to: String },
    Folder { name: String },
}

/// A folder's names.
#[derive(Debug, Clone, Default)]
struct Folder {
    cached: BTreeMap<String, Option<u64>>,
    durable: BTreeMap<String, Option<u64>>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(super) struct Files {
    contents: BTreeMap<u64, Contents>,
    folders: BTreeMap<String, Folder>,
    next_file: u64,
}

impl Default for Files {
    fn default() -> Self {
        let folders = BTreeMap::from([(String::new(), Folder::default())]);
        Self { contents: BTreeMap::new(), folders, next_file: 1 }
    }
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn apply(names: &mut BTreeMap<String, Option<u64>>, change: &Change) {
    match change {
        Change::Link { name, file } => drop(names.insert(name.clone(), Some(*file))),
        Change::Unlink { name } => drop(names.remove(name)),
        Change::Rename { from, to } => {
            if let Some(entry) = names.remove(from) {
                names.insert(to.clone(), entry);
            }
        }
        Change::Folder { name } => drop(names.insert(name.clone(), None)),
    }
}

impl Folder {
    fn change(&mut self, change: Change) {
        apply(&mut self.cached, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.cached);
    }

    /// The first `count` pending changes survive.
    fn lose(&mut self, count: usize) {
        for change in self.pending.drain(..).take(count) {
            apply(&mut self.durable, &change);
        }
        self.cached.clone_from(&self.durable);
    }
}

impl Contents {
    fn write(&mut self, at: usize, bytes: &[u8], random: &mut Random) {
        let end = at + bytes.len();
        if bytes.is_empty() {
            return;
        }
        // The kernel may write a dirty page at any time, so an older version of a sector can be what survives.
        for sector in at / SECTOR..end.div_ceil(SECTOR) {
            if self.dirty.contains(&sector) && random.once_in(8) {
                self.persist(sector, sector * SECTOR + SECTOR);
            }
            self.dirty.insert(sector);
            self.forgotten.remove(&sector);
        }
        if self.cached.len() < end {
            // The old last sector and the hole up to `at` change with the length.
            self.dirty.extend(self.cached.len() / SECTOR..at / SECTOR);
            self.cached.resize(end, 0);
        }
        self.cached[at..end].copy_from_slice(bytes);
    }

    /// Makes a sector durable up to the byte `until` of the file.
    fn persist(&mut self, sector: usize, until: usize) {
        let from = (sector * SECTOR).min(self.cached.len());
        let end = (sector * SECTOR + SECTOR).min(self.cached.len()).min(until).max(from);
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[from..end].copy_from_slice(&self.cached[from..end]);
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.persist(sector, usize::MAX);
        }
        if self.forgotten.is_empty() {
            self.durable.resize(self.cached.len(), 0);
        }
    }

    fn lose(&mut self, loss: Loss, random: &mut Random) {
        if self.dirty.is_empty() && self.forgotten.is_empty() {
            return;
        }
        let durable_bytes = self.durable.len();
        for sector in std::mem::take(&mut self.dirty) {
            let fate = match loss {
                Loss::Everything => 0,
                Loss::Nothing => 1,
                Loss::Torn => 2,
                Loss::Random => random.up_to(2),
            };
            match fate {
                0 => {}
                1 => self.persist(sector, usize::MAX),
                _ => self.tear(sector, random),
            }
        }
        self.forgotten.clear();
        match loss {
            Loss::Everything => self.durable.truncate(durable_bytes),
            Loss::Nothing => self.durable.resize(self.cached.len(), 0),
            Loss::Torn | Loss::Random => match random.up_to(7) {
                0 => self.durable.truncate(durable_bytes),
                1..4 => self.durable.resize(self.cached.len().max(self.durable.len()), 0),
                _ => {}
            },
        }
        self.cached.clone_from(&self.durable);
    }

    /// Makes a sector a mix of old and new bytes.
    fn tear(&mut self, sector: usize, random: &mut Random) {
        let start = sector * SECTOR;
        let cut = start + random.up_to(SECTOR);
        if random.once_in(2) {
            self.persist(sector, cut);
            return;
        }
        let kept = self.durable.get(start..).unwrap_or_default();
        let kept = kept[..kept.len().min(cut - start)].to_vec();
        self.persist(sector, usize::MAX);
        let end = self.durable.len().min(cut);
        if end > start {
            self.durable[start..end].fill(0);
            self.durable[start..start + kept.len()].copy_from_slice(&kept);
        }
    }
}

impl Files {
    fn folder(&mut self, folder: &str) -> io::Result<&mut Folder> {
        self.folders.get_mut(folder).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create_folder(&mut self, name: &str) {
        if self.folders.contains_key(name) {
            return;
        }
        self.folders.insert(name.to_owned(), Folder::default());
        if let Ok(root) = self.folder("") {
            root.change(Change::Folder { name: name.to_owned() });
        }
    }

    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let folder = self.folders.get(folder).ok_or(io::ErrorKind::NotFound)?;
        Ok(folder.cached.keys().cloned().collect())
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (path, folder) in &self.folders {
            for name in folder.cached.iter().filter(|(_, file)| file.is_some()).map(|(name, _)| name) {
                names.push(if path.is_empty() { name.clone() } else { format!("{path}/{name}") });
            }
        }
        names
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let named = self.folders.values().flat_map(|folder| folder.cached.values().flatten());
        named.filter_map(|file| self.contents.get(file)).map(|contents| contents.cached.len() as u64).sum()
    }

    pub(super) fn find(&self, name: &str) -> Option<u64> {
        let (folder, name) = split(name);
        *self.folders.get(folder)?.cached.get(name)?
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<u64> {
        if self.find(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = self.next_file;
        let (folder, name) = split(name);
        self.folder(folder)?.change(Change::Link { name: name.to_owned(), file });
        self.contents.insert(file, Contents::default());
        self.next_file += 1;
        Ok(file)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.find(from).ok_or(io::ErrorKind::NotFound)?;
        let ((folder, from), (_, to)) = (split(from), split(to));
        self.folder(folder)?.change(Change::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.find(name).ok_or(io::ErrorKind::NotFound)?;
        let (folder, name) = split(name);
        self.folder(folder)?.change(Change::Unlink { name: name.to_owned() });
        Ok(())
    }

    pub(super) fn sync_folder(&mut self, folder: &str) -> io::Result<()> {
        self.folder(folder)?.sync();
        Ok(())
    }

    pub(super) fn read(&self, file: u64) -> &[u8] {
        self.contents.get(&file).map(|contents| contents.cached.as_slice()).unwrap_or_default()
    }

    pub(super) fn write(&mut self, file: u64, at: usize, bytes: &[u8], random: &mut Random) {
        self.contents.entry(file).or_default().write(at, bytes, random);
    }

    pub(super) fn sync(&mut self, file: u64) {
        self.contents.entry(file).or_default().sync();
    }

    pub(super) fn fail_write_back(&mut self, file: u64) {
        let contents = self.contents.entry(file).or_default();
        let dirty = std::mem::take(&mut contents.dirty);
        contents.forgotten.extend(dirty);
        contents.failures += 1;
        contents.is_heard = false;
    }

    /// How many failed write-backs whoever opens a file now has no part in: of one that nobody has heard of, they hear.
    pub(super) fn failures_heard(&self, file: u64) -> u64 {
        self.contents
            .get(&file)
            .map_or(0, |contents| contents.failures - u64::from(contents.failures > 0 && !contents.is_heard))
    }

    /// How many write-backs have failed, of which somebody hears now.
    pub(super) fn hear_failures(&mut self, file: u64) -> u64 {
        let contents = self.contents.entry(file).or_default();
        contents.is_heard = true;
        contents.failures
    }

    pub(super) fn overwrite(&mut self, name: &str, bytes: &[u8]) {
        let file = self.find(name).or_else(|| self.create(name).ok());
        let file = file.expect("the folder exists");
        let (folder, _) = split(name);
        self.sync_folder(folder).expect("the folder exists");
        let (cached, durable) = (bytes.to_vec(), bytes.to_vec());
        self.contents.insert(file, Contents { cached, durable, ..Contents::default() });
    }

    pub(super) fn lose(&mut self, loss: Loss, random: &mut Random) {
        for folder in self.folders.values_mut() {
            let pending = folder.pending.len();
            let count = match loss {
                Loss::Everything => 0,
                Loss::Nothing => pending,
                Loss::Torn | Loss::Random => random.up_to(pending),
            };
            folder.lose(count);
        }
        let root = self.folders.get("").map(|root| root.cached.clone()).unwrap_or_default();
        self.folders.retain(|name, _| name.is_empty() || root.contains_key(name));
        // Nobody holds a file open any more, so those without a name are gone.
        let named: BTreeSet<u64> =
            self.folders.values().flat_map(|folder| folder.cached.values().copied().flatten()).collect();
        self.contents.retain(|file, _| named.contains(file));
        for contents in self.contents.values_mut() {
            contents.lose(loss, random);
        }
    }
}
