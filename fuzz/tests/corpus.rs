//! The corpus, put to its targets without coverage; and that no door of the wire is without a target.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a test that fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kew_fuzz::{INPUT_BYTES_MAX, TARGETS, Target};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_the_properties() {
    for target in TARGETS {
        let inputs = entries(&folder().join(target.name));
        assert!(!inputs.is_empty(), "{}: no seed", target.name);
        for path in inputs {
            let input = fs::read(&path).unwrap();
            assert!(input.len() <= INPUT_BYTES_MAX, "{}", path.display());
            // A panic names the property; this names the input.
            println!("{}", path.display());
            target.run(&input);
        }
    }
}

#[test]
fn the_corpus_has_a_folder_for_each_target_and_no_other() {
    let folders: BTreeSet<String> = entries(&folder())
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!((names.len(), folders), (TARGETS.len(), names));
}

#[test]
fn every_reader_of_a_request_body_is_a_target() {
    // Given every public function of the wire that reads a request
    let mut readers = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/kew-wire/src")];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let starts = source.lines().filter_map(|line| line.strip_prefix("pub fn read_"));
            readers.extend(starts.map(|rest| format!("read_{}", rest.split(['(', '<']).next().unwrap())));
        }
    }
    // Then each has a target of its name
    assert!(readers.len() > 10, "{readers:?}");
    let missing: Vec<_> = readers.iter().filter(|name| Target::find(name).is_none()).collect();
    assert!(missing.is_empty(), "without a target: {missing:?}");
}
