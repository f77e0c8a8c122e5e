//! Has systemd read the unit: it must know every directive, and find the service confined.

use anyhow::{Context, ensure};

use crate::program::Program;
use crate::rings::Count;
use crate::workspace;

/// The most exposure that systemd may find, in tenths of its scale from 0 to 10.
const EXPOSURE_MAX: u32 = 15;
/// What the unit starts; while it is read, another program stands in for it.
const STARTS: &str = "ExecStart=/usr/local/bin/kew ";
const STAND_IN: &str = "ExecStart=/bin/true ";

/// Checks the unit.
///
/// # Errors
/// What systemd does not know in it, or finds too open.
pub(crate) fn check() -> anyhow::Result<Count> {
    let text = std::fs::read_to_string(workspace::root().join("packaging/systemd/kew.service"))
        .context("cannot read the unit")?;
    ensure!(text.contains(STARTS), "the unit does not start /usr/local/bin/kew");
    let folder = workspace::root().join("target").join("packaging");
    std::fs::create_dir_all(&folder).context("cannot make a folder for the unit")?;
    std::fs::write(folder.join("kew.service"), text.replace(STARTS, STAND_IN))
        .context("cannot write the unit")?;
    let verify = Program::new(&["systemd-analyze", "verify", "kew.service"]).within(&folder);
    // What it does not know it only warns of.
    let said = verify.all_output()?;
    ensure!(said.trim().is_empty(), "{verify}: {said}");
    let exposure = Program::new(&["systemd-analyze", "security", "--offline=yes", "--no-pager"]);
    exposure
        .argument(&format!("--threshold={EXPOSURE_MAX}"))
        .argument("kew.service")
        .within(&folder)
        .all_output()?;
    Ok(Count { passed: 2, failed: 0 })
}
