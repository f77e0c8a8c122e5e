//! What became of each place of a crate, over all runs.
//!
//! `cargo mutants` keeps lists of one run, and one of what earlier runs noticed, which it passes over. The ledger keeps all
//! outcomes; both forget the places of a file that has changed since.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// What can become of a place.
const OUTCOMES: [&str; 4] = ["caught", "missed", "timeout", "unviable"];
/// In which of its lists `cargo mutants` looks for places that it need not try again.
const PASSED_OVER: [&str; 3] = ["previously_caught.txt", "caught.txt", "unviable.txt"];

/// The outcomes of a crate's places.
#[derive(Debug)]
pub(super) struct Ledger {
    folder: PathBuf,
    outcomes: BTreeMap<String, String>,
}

impl Ledger {
    /// What was kept in a folder; nothing is kept in one that is new.
    ///
    /// # Errors
    /// When the folder cannot be made, or what it keeps not be read.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lines = lines(&folder.join("outcomes.txt"))?;
        let outcomes = lines.iter().filter_map(|line| line.split_once('\t'));
        let outcomes = outcomes.map(|(outcome, place)| (place.to_owned(), outcome.to_owned())).collect();
        Ok(Self { folder: folder.to_path_buf(), outcomes })
    }

    /// Where it and the lists of `cargo mutants` are kept.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Forgets the places of these files.
    ///
    /// # Errors
    /// When a list cannot be written.
    pub(super) fn forget(&mut self, files: &BTreeSet<String>) -> anyhow::Result<()> {
        let stays = |place: &str| place.split_once(':').is_none_or(|(file, _)| !files.contains(file));
        self.outcomes.retain(|place, _| stays(place));
        for name in PASSED_OVER {
            let list = self.folder.join("mutants.out").join(name);
            let kept: Vec<_> = lines(&list)?.into_iter().filter(|place| stays(place)).collect();
            if list.exists() {
                write(&list, &kept)?;
            }
        }
        self.write()
    }

    /// Takes note of what came of the run that has just ended.
    ///
    /// # Errors
    /// When a list cannot be read or written.
    pub(super) fn note(&mut self) -> anyhow::Result<()> {
        for outcome in OUTCOMES {
            for place in lines(&self.folder.join("mutants.out").join(format!("{outcome}.txt")))? {
                self.outcomes.insert(place, outcome.to_owned());
            }
        }
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let lines: Vec<_> =
            self.outcomes.iter().map(|(place, outcome)| format!("{outcome}\t{place}")).collect();
        write(&self.folder.join("outcomes.txt"), &lines)
    }
}

fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

fn write(path: &Path, lines: &[String]) -> anyhow::Result<()> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// How many places came to each outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum([usize; OUTCOMES.len()]);

impl Sum {
    fn add(&mut self, outcome: &str) {
        if let Some(at) = OUTCOMES.iter().position(|known| *known == outcome) {
            self.0[at] += 1;
        }
    }

    /// How many were tried, whatever became of them.
    pub(super) fn tried(self) -> usize {
        self.0.iter().sum()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tried", self.tried())?;
        OUTCOMES.iter().zip(self.0).try_for_each(|(outcome, count)| write!(f, ", {count} {outcome}"))
    }
}

/// A line for each folder and each file beside the folders, what tests passed over, and the sum of all.
pub(super) fn table(ledgers: &[Ledger]) -> (String, Sum) {
    let (mut sums, mut total) = (BTreeMap::<_, Sum>::new(), Sum::default());
    let mut passed = String::new();
    for (place, outcome) in ledgers.iter().flat_map(|ledger| &ledger.outcomes) {
        sums.entry(row(place)).or_default().add(outcome);
        total.add(outcome);
        if outcome == "missed" || outcome == "timeout" {
            passed += &format!("{outcome:<8} {place}\n");
        }
    }
    let mut table = passed;
    for (row, sum) in sums {
        table += &format!("{row:<28} {sum}\n");
    }
    (table, total)
}

/// `kew-embedded/queue` for everything below that folder, and for the file `queue.rs` beside it.
fn row(place: &str) -> String {
    let file = place.split_once(':').map_or(place, |(file, _)| file);
    let mut parts = file.trim_start_matches("crates/").split('/').filter(|part| *part != "src");
    let (package, first) = (parts.next().unwrap_or(file), parts.next().unwrap_or_default());
    format!("{package}/{}", first.trim_end_matches(".rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "crates/kew-embedded/src/queue/runs.rs:1:2: replace + with -";
    const B: &str = "crates/kew-embedded/src/queue.rs:3:4: delete !";
    const C: &str = "crates/kew-embedded/src/state.rs:5:6: replace + with *";

    /// What `cargo mutants` leaves behind when it has tried these.
    fn run(folder: &Path, outcomes: &[(&str, &[&str])]) {
        let _ = fs::remove_dir_all(folder.join("mutants.out"));
        fs::create_dir_all(folder.join("mutants.out")).unwrap();
        for (outcome, places) in outcomes {
            let list = folder.join("mutants.out").join(format!("{outcome}.txt"));
            write(&list, &places.iter().map(|&place| place.to_owned()).collect::<Vec<_>>()).unwrap();
        }
    }

    #[test]
    fn the_newest_outcome_of_a_place_counts_over_all_runs() {
        // Given two runs: what the first missed, the second caught with more tests.
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        run(folder.path(), &[("caught", &[A]), ("missed", &[B, C])]);
        ledger.note().unwrap();
        run(folder.path(), &[("previously_caught", &[A]), ("caught", &[B]), ("missed", &[C])]);
        ledger.note().unwrap();

        // When the sum is asked for later.
        let (table, sum) = table(&[Ledger::open(folder.path()).unwrap()]);

        // Then each place counts once, with its folder, and what is missed is named.
        assert_eq!(sum.to_string(), "3 tried, 2 caught, 1 missed, 0 timeout, 0 unviable");
        let lines: Vec<_> =
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], format!("missed {C}"));
        assert_eq!(lines[1], "kew-embedded/queue 2 tried, 2 caught, 0 missed, 0 timeout, 0 unviable");
        assert_eq!(lines[2], "kew-embedded/state 1 tried, 0 caught, 1 missed, 0 timeout, 0 unviable");
    }

    #[test]
    fn places_of_a_file_that_changed_are_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        run(folder.path(), &[("caught", &[A, C]), ("previously_caught", &[B])]);
        ledger.note().unwrap();
        let changed = ["crates/kew-embedded/src/queue/runs.rs", "crates/kew-embedded/src/queue.rs"];
        ledger.forget(&changed.map(str::to_owned).into()).unwrap();
        assert_eq!(table(&[ledger]).1.tried(), 1);
        let kept = |name: &str| fs::read_to_string(folder.path().join("mutants.out").join(name)).unwrap();
        assert_eq!(kept("caught.txt"), format!("{C}\n"));
        assert_eq!(kept("previously_caught.txt"), "");
    }
}
