//! `kew queues`.

use crate::desk::Desk;
use crate::kew::{Kew, QUEUE, command, complaint, folder, run};

/// The second line of a table, by its words.
fn row(table: &str) -> Vec<&str> {
    table.lines().nth(1).unwrap_or_default().split_whitespace().collect()
}

/// The value of a line of `kew queues info`.
fn value<'a>(info: &'a str, name: &str) -> &'a str {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {info}")).trim()
}

#[test]
fn a_queue_is_created_listed_changed_and_deleted() {
    let desk = Desk::new();
    let made = desk.json(&["queues", "create", "mail", "--delivery-delay", "5m", "--retention", "2d"]);
    assert_eq!(made["queue_name"], "mail");
    assert_eq!(made["settings"]["delivery_delay"], 300);
    assert_eq!(made["settings"]["message_retention_period"], 172_800);

    let listed = desk.json(&["queues", "list"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|queue| &queue["queue_name"]).collect();
    assert_eq!(names, ["jobs", "mail"]);
    let table = desk.prints(&["queues", "list"]);
    assert_eq!(row(&table), [QUEUE, "jobs", "on", "0s", "4d", "http_pull", "-"]);

    // What is not given stays, and a bare number counts seconds.
    let changed = desk.json(&["queues", "update", "mail", "--name", "post", "--retention", "3600"]);
    assert_eq!((&changed["queue_name"], &changed["queue_id"]), (&"post".into(), &made["queue_id"]));
    let settings = &changed["settings"];
    assert_eq!(
        (&settings["delivery_delay"], &settings["message_retention_period"]),
        (&300.into(), &3600.into())
    );

    let id = made["queue_id"].as_str().unwrap();
    assert_eq!(desk.json(&["queues", "delete", "post", "--force"])["deleted"], id);
    assert!(desk.complaint(&["queues", "info", id]).contains("[code: 11000]"));
    desk.kew.stop();
}

#[test]
fn the_flags_of_wrangler_are_taken() {
    let desk = Desk::new();
    let create = ["queues", "create", "mail", "--delivery-delay-secs", "60"];
    let made = desk.json(&[&create[..], &["--message-retention-period-secs", "600"]].concat());
    assert_eq!(made["settings"]["delivery_delay"], 60);
    assert_eq!(made["settings"]["message_retention_period"], 600);
    let paused = desk.json(&["queues", "pause-delivery", "mail"]);
    assert_eq!(paused["settings"]["delivery_paused"], true);
    let resumed = desk.json(&["queues", "resume-delivery", "mail"]);
    assert_eq!(resumed["settings"]["delivery_paused"], false);
    desk.kew.stop();
}

#[test]
fn info_tells_what_a_queue_holds_and_who_takes_it() {
    let desk = Desk::new();
    let empty = desk.prints(&["queues", "info", QUEUE]);
    assert_eq!((value(&empty, "name"), value(&empty, "queue id")), ("jobs", QUEUE));
    assert_eq!(value(&empty, "backlog"), "0 messages, 0 bytes");
    assert_eq!(value(&empty, "dead-letter queue"), "-", "which is no name of a queue");
    assert!(!empty.contains("oldest message"), "{empty}");

    desk.prints(&["consumers", "update", "jobs", "--dead-letter-queue", "dead"]);
    desk.prints(&["push", "jobs", "hello"]);
    let info = desk.prints(&["queues", "info", "jobs"]);
    assert_eq!(value(&info, "dead-letter queue"), "dead");
    assert_eq!(value(&info, "backlog"), "1 message, 105 bytes");
    assert!(value(&info, "oldest message").ends_with(" ago"), "{info}");
    let consumer = "http_pull: batches of 5, 3 retries, retry delay 0s, visibility timeout 30s";
    assert_eq!(value(&info, "consumer"), consumer);

    let json = desk.json(&["queues", "info", "jobs"]);
    assert_eq!((&json["queue_id"], &json["metrics"]["backlog_bytes"]), (&QUEUE.into(), &105.into()));
    assert!(json["metrics"]["oldest_message_timestamp_ms"].as_u64() > Some(0), "{json}");
    desk.kew.stop();
}

#[test]
fn info_says_what_keeps_messages_from_being_delivered() {
    let desk = Desk::new();
    desk.prints(&["queues", "create", "none"]);
    let info = desk.prints(&["queues", "info", "none"]);
    assert!(info.ends_with("kew consumers add none lets clients pull.\n"), "{info}");

    desk.prints(&["consumers", "add", "none", "--worker", "mailer"]);
    let info = desk.prints(&["queues", "info", "none"]);
    let sentence = "This queue keeps its messages: its only consumer is a Worker, and nothing delivers to Workers yet.\n";
    assert!(info.ends_with(sentence), "{info}");
    assert!(
        value(&info, "consumer").starts_with("worker mailer: batches of 10 within 5s, 3 retries"),
        "{info}"
    );

    desk.prints(&["queues", "pause", "jobs"]);
    let info = desk.prints(&["queues", "info", "jobs"]);
    assert_eq!(value(&info, "delivery"), "paused");
    assert!(info.ends_with("kew queues resume jobs ends that.\n"), "{info}");
    let refused = desk.complaint(&["pull", "jobs"]);
    assert_eq!(refused, "kew: queue_delivery_paused [code: 10252]; kew queues resume QUEUE ends the pause\n");
    desk.prints(&["queues", "resume", "jobs"]);
    assert_eq!(desk.prints(&["pull", "jobs"]), "");
    desk.kew.stop();
}

#[test]
fn what_destroys_messages_asks_for_force() {
    let desk = Desk::new();
    desk.prints(&["push", "jobs", "one", "two"]);
    let refused = desk.complaint(&["queues", "purge", "jobs"]);
    assert!(
        refused.contains("jobs holds 2 messages") && refused.ends_with("give --force to do so\n"),
        "{refused}"
    );
    let refused = desk.complaint(&["queues", "delete", "jobs"]);
    assert!(
        refused.contains("jobs holds 2 messages") && refused.ends_with("give --force to do so\n"),
        "{refused}"
    );
    assert_eq!(desk.backlog("jobs"), 2);

    assert_eq!(desk.prints(&["queues", "purge", "jobs", "--force"]), "purged jobs\n");
    assert_eq!(desk.backlog("jobs"), 0);
    // An empty queue has nothing to lose.
    let purged = desk.json(&["queues", "purge", "jobs"]);
    assert_eq!((&purged["queue_id"], &purged["complete"]), (&QUEUE.into(), &true.into()));
    assert_eq!(desk.prints(&["queues", "delete", "jobs"]), "deleted jobs\n");
    assert_eq!(desk.json(&["queues", "list"]).as_array().unwrap().len(), 0);
    desk.kew.stop();
}

#[test]
fn wrong_names_and_settings_are_told() {
    let desk = Desk::new();
    let missing = desk.complaint(&["queues", "info", "mail"]);
    assert_eq!(missing, "kew: there is no queue mail; kew queues list shows those there are\n");
    assert!(desk.complaint(&["queues", "create", "jobs"]).contains("[code: 11009]"));
    for arguments in [
        &["queues", "info", "Not/A/Name"][..],
        &["queues", "create", "No_Name"],
        &["queues", "update", "jobs"],
        &["queues", "update", "jobs", "--retention", "1w"],
        &["queues", "list", "--account", "a/b"],
    ] {
        assert_eq!(desk.run(arguments).status.code(), Some(2), "{arguments:?} is no command");
    }
    desk.kew.stop();
}

#[test]
fn every_command_needs_a_token_and_says_where_one_is() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    for arguments in [
        &["queues", "list"][..],
        &["queues", "create", "x"],
        &["queues", "info", "x"],
        &["queues", "update", "x", "--name", "y"],
        &["queues", "delete", "x", "--force"],
        &["queues", "pause", "x"],
        &["queues", "resume", "x"],
        &["queues", "purge", "x", "--force"],
        &["consumers", "list"],
        &["consumers", "add", "x"],
        &["consumers", "update", "x", "--batch-size", "1"],
        &["consumers", "remove", "x"],
        &["push", "x", "text"],
        &["pull", "x"],
        &["peek", "x"],
        &["ack", "x", "id"],
        &["retry", "x", "id"],
        &["redrive", "x"],
    ] {
        let missing = complaint(&run(folder.path(), &[arguments, &["--url", &kew.url]].concat()));
        assert!(missing.contains("no credential: give --token-file"), "{arguments:?}: {missing}");
        let wrong =
            complaint(&run(folder.path(), &[arguments, &["--url", &kew.url, "--token", "x"]].concat()));
        assert!(wrong.contains("[code: 10000], with the token of --token"), "{arguments:?}: {wrong}");
    }
    kew.stop();
}

#[test]
fn a_token_that_may_not_read_is_good_with_the_id() {
    let folder = folder();
    let kew = Kew::serve(folder.path(), &[]);
    let admin = std::fs::read_to_string(kew.file("admin.token")).unwrap();
    let ask = |token: &str, arguments: &[&str]| {
        let mut command = command(folder.path(), arguments);
        command.env("KEW_URL", &kew.url).env("KEW_TOKEN", token).output().unwrap()
    };
    let made = ask(admin.trim(), &["queues", "create", "mail", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let token = ask(admin.trim(), &["token", "create", "--scope", "push", "--json"]);
    let token: serde_json::Value = serde_json::from_slice(&token.stdout).unwrap();
    let token = token["secret"].as_str().unwrap();
    // The account is the token's own: nothing names it.
    let by_id = ask(token, &["push", made["queue_id"].as_str().unwrap(), "hello"]);
    assert_eq!(crate::desk::done(&by_id), "pushed 1 message\n");
    let by_name = complaint(&ask(token, &["push", "mail", "hello"]));
    assert!(
        by_name
            .starts_with("kew: cannot look for the queue mail: give its id, or a token with the scope read"),
        "{by_name}"
    );
    kew.stop();
}
