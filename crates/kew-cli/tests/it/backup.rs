//! `kew backup`: a copy under load that is checked, served and complete; and what is refused.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::desk::done;
use crate::kew::{Kew, command, complaint, folder, run};

/// What a client of the server needs to know.
struct Admin {
    url: String,
    token: String,
}

impl Admin {
    fn of(kew: &Kew) -> Self {
        let token = fs::read_to_string(kew.file("admin.token")).unwrap().trim().to_owned();
        Self { url: kew.url.clone(), token }
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = command(folder, arguments);
        command.env("KEW_URL", &self.url).env("KEW_TOKEN", &self.token).output().unwrap()
    }

    fn prints(&self, folder: &Path, arguments: &[&str]) -> String {
        done(&self.run(folder, arguments))
    }
}

fn served(more: &[&str]) -> (TempDir, Kew, Admin) {
    let folder = folder();
    let kew = Kew::serve(folder.path(), more);
    let admin = Admin::of(&kew);
    admin.prints(folder.path(), &["queues", "create", "jobs"]);
    admin.prints(folder.path(), &["consumers", "add", "jobs"]);
    (folder, kew, admin)
}

#[test]
fn a_backup_under_load_holds_every_message_that_was_answered_before() {
    let (folder, kew, admin) = served(&["--backup-folder", "backups"]);
    let path = folder.path();
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    // Given messages that were answered, and a client that goes on pushing
    let (name, before) = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let number = answered.load(Ordering::SeqCst);
                admin.prints(path, &["push", "jobs", &format!("message {number}")]);
                answered.store(number + 1, Ordering::SeqCst);
            }
        });
        while answered.load(Ordering::SeqCst) < 5 {
            thread::yield_now();
        }
        let before = answered.load(Ordering::SeqCst);
        let made: Value = serde_json::from_str(&admin.prints(path, &["backup", "--json"])).unwrap();
        stop.store(true, Ordering::SeqCst);
        assert_eq!(made["state"], "done");
        assert!(made["copied_bytes"].as_u64() > Some(4096));
        (made["name"].as_str().unwrap().to_owned(), before)
    });
    kew.stop();

    // When the backup is checked and served, with the tokens of the original
    let backup = format!("backups/{name}");
    done(&run(path, &["check", "--data", &backup]));
    assert_ne!(
        fs::read(path.join("store/keys")).unwrap(),
        fs::read(path.join(&backup).join("keys")).unwrap()
    );
    fs::rename(path.join("store"), path.join("lost")).unwrap();
    fs::rename(path.join(&backup), path.join("store")).unwrap();
    let restored = Kew::serve(path, &[]);

    // Then every message that was answered before the backup was asked for is there, in order
    let admin = Admin { url: restored.url.clone(), ..admin };
    let pulled = admin.prints(path, &["pull", "jobs", "-n", "100", "--ack"]);
    let bodies: Vec<_> = pulled
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (0..bodies.len()).map(|number| format!("message {number}")).collect();
    assert_eq!(bodies, expected);
    assert!(bodies.len() as u64 >= before, "{} of {before}", bodies.len());
    restored.stop();
}

#[test]
fn two_backups_stand_side_by_side_and_nothing_else_does() {
    let (folder, kew, admin) = served(&["--backup-folder", "backups"]);
    for _ in 0..2 {
        let told = admin.prints(folder.path(), &["backup"]);
        assert!(told.contains("is complete in the server's backup folder"), "{told}");
    }
    let names: Vec<_> = fs::read_dir(folder.path().join("backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    kew.stop();
}

#[test]
fn what_is_refused_says_why() {
    // A server without a folder for them
    let (folder, kew, admin) = served(&[]);
    let refused = complaint(&admin.run(folder.path(), &["backup"]));
    assert!(refused.contains("start it with --backup-folder DIR"), "{refused}");
    kew.stop();
    // A folder in the store's own
    let arguments =
        ["serve", "--data", "store", "--listen", "127.0.0.1:0", "--backup-folder", "store/backups"];
    let refused = complaint(&run(folder.path(), &arguments));
    assert!(refused.contains("lies in the store's own folder; name one elsewhere"), "{refused}");
}
