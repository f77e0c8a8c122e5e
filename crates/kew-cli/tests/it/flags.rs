//! Flags that hold what they cannot hold: refused before a server is asked, in the words of the flag.

use std::path::Path;

use crate::desk::Desk;
use crate::kew::{command, complaint, folder};

/// What a command says that is refused for its flags, where no server is.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let mut command = command(folder, arguments);
    let output = command.env("KEW_URL", "http://127.0.0.1:9").env("KEW_TOKEN", "t").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(2), &b""[..]),
        "{arguments:?}: {text}"
    );
    text
}

#[test]
fn what_is_out_of_range_is_refused_by_the_name_of_its_flag() {
    let folder = folder();
    let update = ["consumers", "update", "jobs"];
    for (before, flag, value, expected) in [
        (&["extend", "jobs", "lease"][..], "--for", "13h", "too long: must be 0s to 12h"),
        (&["extend", "jobs", "lease"], "--for", "-1s", "must be a whole number and s, m, h or d"),
        (&["pull", "jobs"], "--visibility-timeout", "13h", "too long: must be 0s to 12h"),
        (&["pull", "jobs"], "--wait", "61s", "too long: must be 0s to 60s"),
        (&["pull", "jobs"], "--count", "x", "must be a whole number from 1 to 100"),
        (&["peek", "jobs"], "--count", "101", "must be a whole number from 1 to 100"),
        (&["push", "jobs", "x"], "--delay", "2d", "too long: must be 0s to 24h"),
        (&["push", "jobs", "x"], "--idempotency-key", "a b", "must be 1 to 255 visible ASCII characters"),
        (&["retry", "jobs", "lease"], "--delay", "25h", "too long: must be 0s to 24h"),
        (&["redrive", "jobs"], "--limit", "0", "must be a whole number of at least 1"),
        (&["queues", "create", "jobs"], "--retention", "59s", "too short: must be 60s to 14d"),
        (&["queues", "update", "jobs"], "--delivery-delay", "1w", "must be a whole number and s, m, h or d"),
        (&update, "--batch-size", "-1", "must be a whole number from 1 to 100"),
        (&update, "--max-retries", "101", "must be a whole number from 0 to 100"),
        (&update, "--max-concurrency", "251", "must be a whole number from 1 to 250"),
        (&update, "--retry-delay", "25h", "too long: must be 0s to 24h"),
        (&update, "--visibility-timeout", "99999999999d", "too long: must be 0s to 12h"),
        (&update, "--batch-timeout", "2m", "too long: must be 0s to 60s"),
        (&["queues", "list"], "--token", " ", "a token must not be empty"),
    ] {
        let text = refusal(folder.path(), &[before, &[flag, value]].concat());
        let named = text.starts_with(&format!("error: invalid value '{value}' for '")) && text.contains(flag);
        assert!(named && text.contains(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_meant_so_is_refused_before_a_server_is_asked() {
    let folder = folder();
    std::fs::write(folder.path().join("bytes"), b"\xff").unwrap();
    for (arguments, expected) in [
        (
            &["push", "jobs", "--idempotency-key", "k"][..],
            "kew: --idempotency-key: names one request, so give TEXT",
        ),
        (&["push", "jobs", "--file", "gone"], "kew: cannot read gone: "),
        (&["push", "jobs", "--file", "bytes"], "kew: cannot push bytes: is not UTF-8; --content-type bytes"),
        (&["push", "jobs", "--content-type", "json", "{"], "kew: message 1: is no JSON"),
        (&[&["push", "jobs"][..], &["x"; 101]].concat(), "kew: give at most 100 messages, not 101"),
        (&["pull", "jobs", "--follow", "--wait", "0s"], "kew: --wait: must be more than 0"),
        (
            &["consumers", "add", "jobs", "--max-concurrency", "5"],
            "kew: --max-concurrency: only a Worker has it",
        ),
        (
            &["token", "create", "--scope", "admin", "--queue-prefix", "a"],
            "kew: --scope admin: opens the accounts",
        ),
        (&["token", "create", "--scope", "push", "--expires", "soon"], "kew: --expires: must be a moment"),
        (&["queues", "create", "A B"], "error: invalid value 'A B' for '<NAME>': must be 1 to 63 lowercase"),
        (
            &["queues", "update", "jobs", "--name", "-"],
            "error: invalid value '-' for '--name <NAME>': must be 1",
        ),
        (&["queues", "list", "--url", "ftp://a"], "kew: ftp://a: the server is named as http://HOST:PORT"),
        (&["queues", "list", "--token-file", "gone"], "kew: cannot read the token file gone: "),
        (&["queues", "list", "--ca-file", "gone"], "kew: cannot read the certificates in gone: "),
        (&["queues", "list", "--ca-file", "bytes"], "kew: bytes: there is no certificate in PEM form"),
        (&["dev", "--listen", "0.0.0.0:0"], "kew: --listen: 0.0.0.0:0 can be reached from other machines"),
        (&["bench", "push", "--no-check"], "kew: --no-check needs --queue"),
        (&["bench", "push", "--url", "https://a"], "kew: https://a: this command speaks plain HTTP only"),
    ] {
        let text = refusal(folder.path(), arguments);
        assert!(text.starts_with(expected), "{arguments:?}: {text}");
    }
    let mut command = command(folder.path(), &["queues", "list"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "without a token");
    assert!(complaint(&output).starts_with("kew: no credential: give --token-file"));
}

#[test]
fn a_lease_id_that_is_empty_is_refused() {
    let folder = folder();
    for verb in ["ack", "retry", "extend"] {
        for leases in [&[""][..], &[" "], &["lease", ""]] {
            let text = refusal(folder.path(), &[&[verb, "jobs"], leases].concat());
            assert!(
                text.contains("a lease id must not be empty; perhaps the pull gave no message"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_server_that_cannot_be_asked_is_told_of_and_nothing_else() {
    let folder = folder();
    for arguments in [&["queues", "info", "jobs"][..], &["token", "list"]] {
        let mut command = command(folder.path(), arguments);
        let output = command.env("KEW_URL", "http://127.0.0.1:9").env("KEW_TOKEN", "t").output().unwrap();
        let text = complaint(&output);
        assert_eq!(text, "kew: no server answers on http://127.0.0.1:9; is kew running?\n");
    }
    std::fs::write(folder.path().join("token"), "\n").unwrap();
    let text = complaint(&crate::kew::run(folder.path(), &["queues", "list", "--token-file", "token"]));
    assert_eq!(text, "kew: --token-file token: a token must not be empty\n");
}

#[test]
fn an_address_that_is_not_the_servers_is_told_apart() {
    let desk = Desk::new();
    let encrypted = desk.kew.url.replace("http://", "https://");
    let text = desk.complaint(&["queues", "list", "--url", &encrypted]);
    assert!(text.ends_with("; the server speaks plain HTTP: name it with http://\n"), "{text}");
    let text = desk.complaint(&["queues", "list", "--url", &format!("{}/queues", desk.kew.url)]);
    let expected = format!(
        "kew: {}/queues: leave the path /queues away; only /client/v4 may stand behind http://HOST:PORT\n",
        desk.kew.url
    );
    assert_eq!(text, expected);
    // What prints JSON in any case takes the flag that asks for it.
    desk.prints(&["push", "jobs", "hello"]);
    assert_eq!(desk.json(&["peek", "jobs"])["body"], "hello");
    assert_eq!(desk.json(&["pull", "jobs"])["body"], "hello");
    desk.kew.stop();
}
