//! `kew check`: a store that is whole, one that is in use, one that is damaged and its copy, and a folder that is none.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::desk::{Desk, done};
use crate::kew::{Kew, QUEUE, complaint, printed, run};

fn json(folder: &Path, arguments: &[&str], status: i32) -> Value {
    let output = run(folder, &[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&printed(&output)).unwrap()
}

/// A store in the folder `store` with three batches in a queue, no longer served.
fn a_store() -> Desk {
    let desk = Desk::new();
    for bodies in [["first-1", "first-2"], ["second-1", "second-2"], ["third-1", "third-2"]] {
        desk.prints(&["push", "jobs", bodies[0], bodies[1]]);
    }
    desk
}

#[test]
fn a_store_is_checked_once_nobody_serves_it() {
    let desk = a_store();
    let folder = desk.folder.path();

    let in_use = run(folder, &["check", "--data", "store"]);
    assert_eq!(in_use.status.code(), Some(2));
    assert!(complaint(&in_use).contains("in use by another process; stop the server first"));
    desk.kew.stop();

    let report = json(folder, &["check", "--data", "store"], 0);
    assert_eq!(report["whole"], true);
    assert_eq!(report["messages_read"], 6);
    assert_eq!(report["queues"][0]["name"], "jobs");
    assert_eq!(report["queues"][0]["id"], QUEUE);
    let text = done(&run(folder, &["check", "--data", "store"]));
    assert!(text.contains("6 messages were read, and nothing is wrong."), "{text}");
}

#[test]
fn damage_is_named_and_the_rest_is_copied_and_served() {
    // Given a store in which a byte of a message has changed
    let desk = a_store();
    let folder = desk.folder.path().to_owned();
    desk.kew.stop();
    let path = folder.join("store/log/0000000000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == b"second-1").unwrap();
    bytes[at] = b'S';
    fs::write(&path, &bytes).unwrap();

    // When it is checked, then file, place, queue and messages are named
    let output = run(&folder, &["check", "--data", "store"]);
    assert_eq!(output.status.code(), Some(1));
    let text = printed(&output);
    assert!(text.contains("damaged: log/0000000000000001.seg at byte "), "{text}");
    let lost = "lost: messages 3 to 4 of queue jobs, 2 of which lived in log/0000000000000001.seg";
    assert!(text.contains(lost), "{text}");
    assert!(text.contains("Damaged: 4 messages can be read, 2 cannot."), "{text}");

    // And when the rest is copied, a server gives out what is left, and the damaged store is as it was
    let report = json(&folder, &["check", "--data", "store", "--salvage", "copy"], 1);
    assert_eq!(report["copy"]["messages"], 4);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(json(&folder, &["check", "--data", "copy"], 0)["messages_read"], 4);
    fs::rename(folder.join("store"), folder.join("damaged")).unwrap();
    fs::rename(folder.join("copy"), folder.join("store")).unwrap();
    let desk = Desk { kew: Kew::dev(&folder), folder: desk.folder };
    let left = desk.bodies(&["pull", "jobs", "-n", "10", "--ack"]);
    assert_eq!(left, ["first-1", "first-2", "third-1", "third-2"]);
    assert_eq!(desk.prints(&["push", "jobs", "more"]), "pushed 1 message\n");
    assert_eq!(desk.bodies(&["pull", "jobs", "--ack"]), ["more"]);
    desk.kew.stop();
}

#[test]
fn what_cannot_be_checked_is_told_apart_from_damage() {
    let desk = a_store();
    let folder = desk.folder.path();
    desk.kew.stop();
    fs::create_dir(folder.join("empty")).unwrap();
    for (arguments, text) in [
        (&["check", "--data", "nowhere"][..], "there is no folder nowhere"),
        (&["check", "--data", "empty"], "not a Kew store: the folder is empty"),
        (&["check", "--data", "store", "--salvage", "store"], "the folder store is not empty"),
        (
            &["check", "--data", "store", "--salvage", "store/keys/x"],
            "cannot copy the store in store to store/keys/x",
        ),
    ] {
        let output = run(folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let complaint = complaint(&output);
        assert!(complaint.contains(text), "{complaint}");
    }
    let keys = folder.join("store/keys");
    fs::write(&keys, "kew-keys 1\nnonsense\n").unwrap();
    let report = json(folder, &["check", "--data", "store"], 1);
    assert_eq!(report["findings"][0]["file"], "keys");
}
