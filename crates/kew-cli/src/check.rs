//! `kew check`: looks at the store in a folder that no server has open, and says what is wrong with it.
//!
//! Exit status: 0 when all is whole, 1 when something is damaged, 2 when there is nothing to be checked.

mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use indicatif::ProgressBar;
use kew_embedded::check::{Salvaged, Stage, check, salvage};
use kew_embedded::{OpenError, Options};
use kew_journal::{Disk, Error, RealDisk};
use kew_wire::lease_id::KeyRing;

use crate::chance::SystemChance;
use crate::clock::SystemClock;
use crate::{output, private_file, progress};
use report::Answer;

/// The exit status when something is damaged.
const DAMAGED: u8 = 1;
/// The exit status when nothing could be checked.
const NOT_CHECKED: u8 = 2;

/// Check a store that no server has open.
///
/// Reads all of it and changes nothing: every frame of every segment, the checkpoints, the indexes, and each message where
/// the state says that it lies. Ends with 0 when all is whole, 1 when something is damaged, 2 when the folder is no store,
/// or is in use.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folder of the store; that of kew dev is ./.kew.
    #[arg(long, value_name = "DIR", default_value = "./kew-data")]
    data: PathBuf,
    /// Copy what is whole into a new store in this folder, which is empty or does not exist, and list what is lost.
    #[arg(long, value_name = "DIR")]
    salvage: Option<PathBuf>,
    /// Print JSON and not tables.
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Looks at the store, prints what it found, and tells the exit status.
    pub(crate) fn run(self) -> ExitCode {
        match self.look() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(DAMAGED),
            Err(error) => {
                output::print_error(&error);
                ExitCode::from(NOT_CHECKED)
            }
        }
    }

    fn look(&self) -> anyhow::Result<bool> {
        ensure!(self.data.is_dir(), "there is no folder {}; name one with --data", self.data.display());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&self.data).read_only());
        let bar = progress::bar("check", Some(0));
        let mut tell = |stage, read_bytes, all_bytes| show(&bar, stage, read_bytes, all_bytes);
        let (report, copy) = match &self.salvage {
            None => (check(disk, &mut tell).map_err(|error| explain(&self.data, error))?, None),
            Some(folder) => {
                let salvaged = copy_into(folder, disk, &mut tell).map_err(|error| match error {
                    Failed::Check(OpenError::Log(error @ Error::Disk { .. })) => anyhow!(
                        "cannot copy the store in {} to {}, which is of no use now: {error}",
                        self.data.display(),
                        folder.display()
                    ),
                    Failed::Check(error) => explain(&self.data, error),
                    Failed::Target(error) => error,
                })?;
                let Salvaged { report, broken_at, messages, queues } = salvaged;
                (report, Some(report::Copy::new(folder, broken_at, messages, queues)))
            }
        };
        bar.finish_and_clear();
        let answer = Answer::new(&self.data, &report, keys_damage(&self.data), copy);
        output::print(&if self.json { output::json(&answer) } else { answer.text() })?;
        Ok(answer.is_whole())
    }
}

fn show(bar: &ProgressBar, stage: Stage, read_bytes: u64, all_bytes: u64) {
    bar.set_message(match stage {
        Stage::Opening => "opening",
        Stage::Rescuing => "reading what is intact",
        Stage::Reading => "reading all frames",
        Stage::Replaying => "replaying over the older checkpoint",
    });
    if all_bytes > 0 {
        // Whole megabytes, which is what people count in.
        bar.set_length(all_bytes >> 20);
        bar.set_position(read_bytes >> 20);
    }
}

/// What kept a copy from being made.
enum Failed {
    /// Something about the damaged store.
    Check(OpenError),
    /// Something about the new one.
    Target(anyhow::Error),
}

fn copy_into(
    folder: &Path,
    damaged: Arc<dyn Disk>,
    tell: &mut dyn FnMut(Stage, u64, u64),
) -> Result<Salvaged, Failed> {
    require_empty(folder).map_err(Failed::Target)?;
    let target = Arc::new(RealDisk::new(folder));
    let clock = SystemClock::start();
    let done = salvage(damaged, target, &Options::default(), &clock, &SystemChance, tell);
    done.map_err(Failed::Check)
}

fn require_empty(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut inside =
        std::fs::read_dir(folder).with_context(|| format!("cannot list the folder {}", folder.display()))?;
    if inside.next().is_some() {
        bail!(
            "--salvage: the folder {} is not empty; name one that is, or that does not exist",
            folder.display()
        );
    }
    Ok(())
}

fn explain(folder: &Path, error: OpenError) -> anyhow::Error {
    let advice = match &error {
        OpenError::Log(Error::Locked) => "; stop the server first, or check a copy that kew backup took",
        OpenError::Log(Error::Version { .. }) => {
            ": it was written by a newer Kew, or is damaged; take that Kew"
        }
        _ => "",
    };
    anyhow::anyhow!("cannot check the store in {}: {error}{advice}", folder.display())
}

/// What is wrong with the keys of lease ids, if anything is.
fn keys_damage(folder: &Path) -> Option<String> {
    match private_file::read(&folder.join("keys")) {
        Ok(None) => None,
        Ok(Some(text)) => KeyRing::parse(&text).err().map(|error| error.to_string()),
        Err(error) => Some(format!("{error:#}")),
    }
}
