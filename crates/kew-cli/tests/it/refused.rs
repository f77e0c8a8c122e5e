//! Folders, ports and addresses that cannot be used: one clear line each, and a non-zero exit.

use std::net::TcpListener;
use std::path::Path;

use crate::kew::{Kew, complaint, folder, run};

/// The complaint of `kew dev` about a folder, on a port that does not matter.
fn refusal(folder: &Path, data: &str) -> String {
    complaint(&run(folder, &["dev", "--listen", "127.0.0.1:0", "--data", data]))
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_second_process_on_a_folder_is_refused_and_names_the_first() {
    let folder = folder();
    let first = Kew::dev(folder.path());
    let text = refusal(folder.path(), "store");
    assert!(text.contains("in use by another process"), "{text}");
    assert!(text.contains(&format!("process {}", first.process())), "{text}");
    first.stop();
}

#[test]
fn a_port_in_use_is_named() {
    let folder = folder();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let text = complaint(&run(folder.path(), &["dev", "--listen", &address, "--data", "store"]));
    let expected = format!("cannot listen on {address}: the port is taken, perhaps by another kew;");
    assert!(text.contains(&expected), "{text}");
    assert_eq!(names(folder.path()), [""; 0], "nothing was made");
}

#[test]
fn a_port_in_use_leaves_the_store_as_it_is() {
    let folder = folder();
    Kew::serve(folder.path(), &[]).stop();
    let before = names(&folder.path().join("store/log"));
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    // Given a store without its lock file, which everything that opens a store makes.
    let lock = folder.path().join("store/LOCK");
    std::fs::remove_file(&lock).unwrap();
    // When a start fails at the port, then the store was not even opened.
    let text = complaint(&run(folder.path(), &["serve", "--listen", &address, "--data", "store"]));
    assert!(text.contains("the port is taken"), "{text}");
    assert!(!lock.exists(), "not even locked");
    assert_eq!(names(&folder.path().join("store/log")), before);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let text = refusal(folder.path(), "file");
    assert!(text.contains("it is a file and no folder; name another folder with --data"), "{text}");
    let text = refusal(folder.path(), "file/store");
    assert!(text.contains("cannot make the folder file/store"), "{text}");
    // No file system of the kernel's own lets anybody make a folder, not even its administrator.
    let text = refusal(folder.path(), "/proc/kew-store");
    assert!(text.contains("cannot make the folder /proc/kew-store"), "{text}");
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("other")).unwrap();
    std::fs::write(folder.path().join("other/diary.txt"), "dear").unwrap();
    let text = refusal(folder.path(), "other");
    assert!(text.contains("other") && text.contains("not a Kew store"), "{text}");
    assert!(text.ends_with("name another folder with --data\n"), "{text}");
    assert_eq!(std::fs::read_to_string(folder.path().join("other/diary.txt")).unwrap(), "dear");
    assert_eq!(names(&folder.path().join("other")), ["diary.txt"], "nothing is left behind");
    // A folder of the same name as one of the store's does not make it one.
    std::fs::create_dir_all(folder.path().join("program/log")).unwrap();
    std::fs::write(folder.path().join("program/log/today.txt"), "").unwrap();
    let text = refusal(folder.path(), "program");
    assert!(text.contains("not a Kew store: the folder holds \"log\""), "{text}");
    assert_eq!(names(&folder.path().join("program")), ["log"]);
}

#[test]
fn a_creation_that_was_cut_short_is_gone_on_with() {
    let folder = folder();
    let store = folder.path().join("store");
    for left in [&["log"][..], &["log", "checkpoint"], &["LOCK", "log"]] {
        // Given what a power cut may leave of the first moment of a store.
        for name in left {
            let path = store.join(name);
            if *name == "LOCK" {
                std::fs::write(path, "").unwrap();
            } else {
                std::fs::create_dir_all(path).unwrap();
            }
        }
        std::fs::write(store.join("STORE.tmp"), "KEWST").unwrap();
        // Then the next start makes the store.
        Kew::dev(folder.path()).stop();
        std::fs::remove_dir_all(&store).unwrap();
        std::fs::create_dir(&store).unwrap();
    }
}

#[test]
fn each_of_the_two_serving_commands_keeps_its_own_stores() {
    let folder = folder();
    for (maker, other, refusal) in [
        ("dev", "serve", "store was made by kew dev, and kew serve does not go on with its account"),
        (
            "serve",
            "dev",
            "store was made by kew serve, and kew dev would open it to a token that everybody knows",
        ),
    ] {
        // Given a store that one command made.
        Kew::start(folder.path(), &[maker]).stop();
        let store = folder.path().join("store");
        let made = names(&store);
        // When the other one is started on it, then it says what the folder is and what to do, and leaves it alone.
        let text = complaint(&run(folder.path(), &[other, "--listen", "127.0.0.1:0", "--data", "store"]));
        assert_eq!(text, format!("kew: {refusal}; name another folder with --data\n"));
        assert_eq!(names(&store), made);
        // And the maker goes on with it.
        Kew::start(folder.path(), &[maker]).stop();
        std::fs::remove_dir_all(&store).unwrap();
    }
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let path = kew.file("STORE");
    kew.stop();
    let mut bytes = std::fs::read(&path).unwrap();
    // The major version of the format stands at byte 8, little endian (docs/format.md).
    bytes[8..10].copy_from_slice(&999_u16.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let text = refusal(folder.path(), "store");
    assert!(text.contains("STORE has format 999, this Kew reads up to"), "{text}");
    assert!(text.contains("written by a newer Kew, or is damaged"), "{text}");
}

#[test]
fn a_store_file_that_is_spoilt_is_refused_with_what_to_do() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let path = kew.file("STORE");
    kew.stop();
    let whole = std::fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[20] ^= 1;
    for (bytes, expected) in [
        (&b""[..], "damaged: STORE at byte 0: it was overwritten or cut short: the folder log holds a log"),
        (b"garbage", "damaged: STORE at byte 0: it was overwritten or cut short: the folder log holds a log"),
        (&altered, "damaged: STORE at byte 0: the checksum does not match; a restart does not help: restore"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let text = refusal(folder.path(), "store");
        assert!(text.contains(expected), "{text}");
    }
    std::fs::remove_file(&path).unwrap();
    let text = refusal(folder.path(), "store");
    assert!(
        text.contains("it is missing, but the folder log is not empty; a restart does not help"),
        "{text}"
    );
    std::fs::write(&path, whole).unwrap();
    Kew::dev(folder.path()).stop();
}

#[test]
fn a_store_whose_folder_is_gone_is_refused_as_damaged() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let path = kew.file("checkpoint");
    kew.stop();
    std::fs::remove_dir_all(&path).unwrap();
    let text = refusal(folder.path(), "store");
    assert!(
        text.contains("damaged: checkpoint at byte 0: the folder is missing; a restart does not help"),
        "{text}"
    );
    assert!(text.contains("kew check --data DIR --salvage NEW_DIR"), "{text}");
}

#[test]
fn spoilt_keys_are_refused_with_what_to_do_and_missing_ones_are_told_of() {
    // Given a store whose keys are spoilt
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let path = kew.file("keys");
    kew.stop();
    std::fs::write(&path, "").unwrap();

    // When it is served, then it says what helps
    let text = refusal(folder.path(), "store");
    assert!(text.contains("bring the file from a copy, or move it away"), "{text}");

    // When that is done, then it serves, and says what that cost
    std::fs::remove_file(&path).unwrap();
    let said = Kew::dev(folder.path()).stop();
    assert!(said.contains("the file keys was missing and is made anew"), "{said}");
}

#[test]
fn addresses_that_others_can_reach_are_refused() {
    let folder = folder();
    let text = complaint(&run(folder.path(), &["dev", "--listen", "0.0.0.0:0", "--data", "store"]));
    assert!(text.contains("--listen: 0.0.0.0:0 can be reached from other machines"), "{text}");
    let text = complaint(&run(folder.path(), &["serve", "--listen", "0.0.0.0:0", "--data", "store"]));
    assert!(text.contains("--allow-plaintext"), "{text}");
    assert!(!folder.path().join("store").exists(), "nothing was made");
}
