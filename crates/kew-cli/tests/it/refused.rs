//! Folders, ports and addresses that cannot be used: one clear line each, and a non-zero exit.

use std::net::TcpListener;
use std::path::Path;

use crate::kew::{Kew, complaint, folder, run};

/// The complaint of `kew dev` about a folder, on a port that does not matter.
fn refusal(folder: &Path, data: &str) -> String {
    complaint(&run(folder, &["dev", "--listen", "127.0.0.1:0", "--data", data]))
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
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
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
    assert_eq!(std::fs::read_to_string(folder.path().join("other/diary.txt")).unwrap(), "dear");
    assert!(!folder.path().join("other/keys").exists());
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
    assert!(text.contains("999") && text.contains("reads up to"), "{text}");
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
