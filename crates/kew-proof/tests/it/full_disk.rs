//! A disk that fills up under the running program: pushes are refused before it is full, all else goes on, also after a
//! kill and a start on the full disk, and when the space comes back, so do the pushes.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use kew_proof::{Connection, PATIENCE, Site, Stopwatch};

use crate::campaign::say;

const MEBIBYTE: u64 = 1 << 20;

/// The volume: room for the reserve, which is 5 % and two segments of 64 MiB, and for as much again.
const VOLUME_BYTES: u64 = 320 * MEBIBYTE;

/// The code of a push that finds no space (docs/errors.md).
const STORAGE_FULL: u64 = 10_251;

/// A small volume, as long as the test lasts.
struct Volume(PathBuf);

impl Volume {
    /// `None` where this process may not mount.
    fn mount(at: &Path) -> Option<Self> {
        let size = format!("size={VOLUME_BYTES}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    fn free_bytes(&self) -> u64 {
        let space = rustix::fs::statvfs(&self.0).unwrap();
        space.f_bavail * space.f_frsize
    }

    /// A file of somebody else that takes the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        let chunk = vec![1; 64 << 10];
        let refused = std::iter::repeat_with(|| file.write_all(&chunk)).find_map(Result::err).unwrap();
        assert_eq!((refused.kind(), self.free_bytes()), (ErrorKind::StorageFull, 0));
        path
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // The store's process is gone by now, or will not miss it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Whoever asks the one queue.
struct Client<'a> {
    site: &'a Site,
    connection: Connection,
}

impl<'a> Client<'a> {
    fn new(site: &'a Site) -> Self {
        Self { site, connection: Connection::open(site.address).unwrap() }
    }

    /// Pushes a large message; the status, and the code of what went wrong.
    fn push(&mut self) -> (u16, u64) {
        let body = format!(r#"{{"body":"{}","content_type":"text"}}"#, "x".repeat(120_000));
        let path = self.site.messages(&self.site.queues.dead, "");
        let answer = self.connection.post(&path, &self.site.token, &body).unwrap();
        (answer.status, answer.code())
    }

    /// Pulls and acknowledges; how many messages that were, and how many are left.
    fn pull_and_ack(&mut self) -> (u64, u64) {
        let mut ask = |verb: &str, body: &str| {
            let path = self.site.messages(&self.site.queues.dead, verb);
            let answer = self.connection.post(&path, &self.site.token, body).unwrap();
            assert_eq!(answer.status, 200, "{verb}: {}", answer.body);
            answer.body["result"].clone()
        };
        let pulled = ask("/pull", r#"{"batch_size":100,"visibility_timeout_ms":600000}"#);
        let messages = pulled["messages"].as_array().unwrap();
        let leases = messages.iter().map(|message| format!(r#"{{"lease_id":{}}}"#, message["lease_id"]));
        let acks = leases.collect::<Vec<_>>().join(",");
        let count = messages.len() as u64;
        let left = pulled["message_backlog_count"].as_u64().unwrap() - count;
        if count > 0 {
            let acked = ask("/ack", &format!(r#"{{"acks":[{acks}]}}"#));
            assert_eq!(acked["ackCount"].as_u64(), Some(count));
        }
        (count, left)
    }
}

#[test]
fn a_full_disk_refuses_pushes_first_and_takes_them_again_when_space_is_back() {
    // Given a store on a small volume.
    let folder = tempfile::tempdir().unwrap();
    let Some(volume) = Volume::mount(folder.path()) else {
        say("SKIPPED: the full disk; mounting a small tmpfs needs root");
        return;
    };
    let (site, kew) = Site::found(folder.path());
    let mut client = Client::new(&site);

    // When it is filled by pushes.
    let mut pushed = 0;
    let refused = loop {
        match client.push() {
            (200, _) => pushed += 1,
            refused => break refused,
        }
    };

    // Then one is refused as documented, while there is space for everything else.
    let free_bytes = volume.free_bytes();
    assert_eq!(refused, (429, STORAGE_FULL));
    assert!(pushed > 500 && free_bytes > 100 * MEBIBYTE, "{pushed} pushes, {free_bytes} bytes free");
    let (some, _) = client.pull_and_ack();
    assert!(some > 0);

    // When somebody else takes all of the reserve as well, and the process is killed and started on the full disk.
    let ballast = volume.fill();
    kew.kill();
    let kew = site.start();
    let mut client = Client::new(&site);
    assert_eq!(client.push(), (429, STORAGE_FULL));

    // Then nothing is lost, and everything can be pulled and acknowledged.
    let mut taken = some;
    loop {
        let (count, left) = client.pull_and_ack();
        taken += count;
        if left == 0 {
            break;
        }
    }
    assert_eq!(taken, pushed);

    // When the other's file is gone, pushes are taken again, before long; the store's own space comes back by itself.
    fs::remove_file(ballast).unwrap();
    let watch = Stopwatch::start();
    while client.push() != (200, 0) {
        assert!(watch.elapsed() < PATIENCE, "pushes are refused: {} bytes are free", volume.free_bytes());
    }
    let (mut again, mut bytes) = (1, 0);
    while bytes < VOLUME_BYTES / 2 {
        while client.push() != (200, 0) {
            client.pull_and_ack();
            assert!(
                watch.elapsed() < PATIENCE,
                "no space comes back: {} bytes are free",
                volume.free_bytes()
            );
        }
        again += 1;
        bytes += 120_000;
    }
    say(&format!(
        "full disk: {pushed} pushes, refused at {} MiB free of {}; {taken} taken on the full disk; {again} pushes after",
        free_bytes / MEBIBYTE,
        VOLUME_BYTES / MEBIBYTE
    ));
    kew.stop();
}
