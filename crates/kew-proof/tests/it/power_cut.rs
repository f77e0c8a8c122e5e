//! Real power cuts: a file system on a loop device is shut down under load, without writing back what is in the caches, by
//! the call that file systems have for such tests. Needs root, loop devices and python3; skipped, and loudly, without.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kew_proof::{Gate, Kew, Site, Stopwatch};
use kew_testkit::counted;

use crate::campaign::{Plan, assert_durable, run_with, say, seed, tally};

/// Power cuts on each file system.
const CUTS: u64 = 25;
/// Answered pushes before each.
const PUSHES_BETWEEN: u64 = 150;
/// The size of the volume; the file behind it holds only what was written.
const VOLUME_BYTES: u64 = 3 << 30;
/// `_IOR('X', 125, __u32)` with the flag that says: leave the log as it is on the disk.
const SHUT_DOWN: &str = "import fcntl,os,struct,sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A file system in a file.
struct Volume {
    device: String,
    mount: PathBuf,
}

fn command(words: &[&str]) -> Result<Output, String> {
    let ran = Command::new(words[0]).args(&words[1..]).output();
    let output = ran.map_err(|error| format!("{}: {error}", words[0]))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

impl Volume {
    /// Makes and mounts a file system, or says why that is not possible here.
    fn make(folder: &Path, kind: &str) -> Result<Self, String> {
        let (image, mount) = (folder.join("image"), folder.join("store"));
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(VOLUME_BYTES).map_err(|error| error.to_string())?;
        std::fs::create_dir(&mount).map_err(|error| error.to_string())?;
        let image = image.to_str().expect("a path of text");
        command(&[&format!("mkfs.{kind}"), "-q", image])?;
        let device = command(&["losetup", "--find", "--show", image])?.stdout;
        let device = String::from_utf8_lossy(&device).trim().to_owned();
        let volume = Self { device, mount };
        volume.mount()?;
        // ext4 makes it, and Kew takes no folder that holds something else.
        let _ = std::fs::remove_dir(volume.mount.join("lost+found"));
        command(&["sync", "-f", volume.path()])?;
        Ok(volume)
    }

    fn path(&self) -> &str {
        self.mount.to_str().expect("a path of text")
    }

    fn mount(&self) -> Result<(), String> {
        command(&["mount", &self.device, self.path()]).map(drop)
    }

    /// Cuts the power of the volume, and gives it back.
    fn cut(&self, kew: Kew) {
        command(&["python3", "-c", SHUT_DOWN, self.path()]).unwrap();
        // It ends by itself, at its next write, or is killed here.
        drop(kew);
        command(&["umount", self.path()]).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // What is not mounted any more is as well.
        let _ = command(&["umount", self.path()]);
        let _ = command(&["losetup", "--detach", &self.device]);
    }
}

fn prove(kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let volume = match Volume::make(folder.path(), kind) {
        Ok(volume) => volume,
        Err(reason) => {
            counted(0, &format!("power cuts of {kind} under the real process: SKIPPED, not possible here"));
            return say(&format!("power cuts on {kind}: SKIPPED, not possible here: {reason}"));
        }
    };
    let watch = Stopwatch::start();
    let (site, kew) = Site::found(folder.path());
    let plan = Plan {
        kills: CUTS,
        pushes_between: PUSHES_BETWEEN,
        seed: seed(&format!("power_cut {kind}")),
        run: 0,
    };
    let gate = Gate::new();
    gate.let_fail();
    let outcome = run_with(&site, kew, plan, watch, gate, &|kew| volume.cut(kew));
    let tally = tally(&site, &outcome.record);
    say(&format!(
        "power cuts on {kind}: {}; pushes answered: {}; requests cut off: {}; {tally}; {:?}",
        CUTS + 1,
        outcome.pushes_answered,
        outcome.requests_cut,
        watch.elapsed()
    ));
    assert!(outcome.pushes_answered >= CUTS * PUSHES_BETWEEN);
    assert_durable(&site, &outcome.record);
    counted(CUTS + 1, &format!("power cuts of {kind} under the real process"));
    outcome.kew.stop();
}

#[test]
fn answered_work_survives_power_cuts_on_ext4() {
    prove("ext4");
}

#[test]
fn answered_work_survives_power_cuts_on_xfs() {
    prove("xfs");
}
