//! `kew extend`.

use serde_json::json;

use crate::desk::{Desk, done};

#[test]
fn leases_are_prolonged_by_id_or_by_line() {
    // Given three messages under leases
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one", "two", "three"]);
    let pulled = desk.prints(&["pull", "jobs", "--visibility-timeout", "12h"]);
    let lines: Vec<&str> = pulled.lines().collect();
    let lease = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        message["lease_id"].as_str().unwrap().to_owned()
    };
    // When they are prolonged from now on, by nothing
    assert_eq!(desk.prints(&["extend", "jobs", &lease(lines[0]), "--for", "10m"]), "1 lease prolonged\n");
    let input = format!("{}\n{}\n", lines[1], lease(lines[2]));
    let prolonged = done(&desk.piped(&["extend", "jobs", "--for", "0s", "--json"], &input));
    // Then those come again, and the other one does not
    let prolonged: serde_json::Value = serde_json::from_str(&prolonged).unwrap();
    assert_eq!(prolonged, json!({ "extendCount": 2, "warnings": {} }));
    let mut again = desk.bodies(&["pull", "jobs"]);
    again.sort_by_key(ToString::to_string);
    assert_eq!(again, ["three", "two"]);
    // And a lease that is prolonged is still the one to acknowledge
    assert_eq!(desk.prints(&["ack", "jobs", &lease(lines[0])]), "1 message acknowledged\n");
    desk.kew.stop();
}

#[test]
fn a_lease_that_cannot_be_prolonged_is_a_failure() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one"]);
    let pulled = desk.prints(&["pull", "jobs"]);
    done(&desk.piped(&["ack", "jobs"], &pulled));
    let output = desk.piped(&["extend", "jobs"], &format!("{pulled}nonsense\n"));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b"0 leases prolonged\n"[..]));
    assert!(told.contains("nonsense: the lease id was not issued by this server"), "{told}");
    assert!(told.contains(": the message is gone"), "{told}");
    assert!(told.ends_with("kew: 2 of 2 could not be prolonged\n"), "{told}");
    desk.kew.stop();
}
