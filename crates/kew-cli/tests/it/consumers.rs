//! `kew consumers`.

use crate::desk::Desk;

#[test]
fn a_consumer_is_added_listed_changed_and_removed() {
    let desk = Desk::new();
    desk.prints(&["queues", "create", "mail"]);
    let add = ["consumers", "add", "mail", "--batch-size", "7", "--max-retries", "0", "--retry-delay", "1m"];
    let added =
        desk.json(&[&add[..], &["--visibility-timeout", "1500ms", "--dead-letter-queue", "dead"]].concat());
    assert_eq!((&added["type"], &added["dead_letter_queue"]), (&"http_pull".into(), &"dead".into()));
    let settings = serde_json::json!(
        { "batch_size": 7, "max_retries": 0, "retry_delay": 60, "visibility_timeout_ms": 1500 });
    assert_eq!(added["settings"], settings);

    let listed = desk.json(&["consumers", "list"]);
    let queues: Vec<_> = listed.as_array().unwrap().iter().map(|consumer| &consumer["queue_name"]).collect();
    assert_eq!(queues, ["jobs", "mail"]);
    let table = desk.prints(&["consumers", "list"]);
    assert!(table.contains("batches of 7, 0 retries after 1m, leases of 1500ms"), "{table}");

    // What is not given stays.
    let changed = desk.json(&["consumers", "update", "mail", "--max-retries", "2"]);
    assert_eq!(changed["consumer_id"], added["consumer_id"]);
    assert_eq!(
        (&changed["settings"]["max_retries"], &changed["settings"]["batch_size"]),
        (&2.into(), &7.into())
    );
    assert_eq!(changed["dead_letter_queue"], "dead");
    let changed = desk.json(&["consumers", "update", "mail", "--no-dead-letter-queue"]);
    assert_eq!((&changed["dead_letter_queue"], &changed["settings"]["max_retries"]), (&"".into(), &2.into()));

    assert_eq!(desk.json(&["consumers", "remove", "mail"])["removed"], added["consumer_id"]);
    assert_eq!(desk.prints(&["consumers", "remove", "jobs"]), "removed the consumer of jobs\n");
    let refused = desk.complaint(&["pull", "jobs"]);
    assert!(refused.ends_with("[code: 19001]; kew consumers add QUEUE attaches one\n"), "{refused}");
    desk.kew.stop();
}

#[test]
fn the_flags_of_wrangler_are_taken() {
    let desk = Desk::new();
    desk.prints(&["queues", "create", "mail"]);
    let add = ["consumers", "add", "mail", "--message-retries", "1", "--visibility-timeout-secs", "9"];
    let added = desk.json(&[&add[..], &["--retry-delay-secs", "8"]].concat());
    let settings = &added["settings"];
    assert_eq!((&settings["max_retries"], &settings["retry_delay"]), (&1.into(), &8.into()));
    assert_eq!(settings["visibility_timeout_ms"], 9_000);
    desk.kew.stop();
}

#[test]
fn a_worker_is_kept_with_its_settings() {
    let desk = Desk::new();
    desk.prints(&["queues", "create", "mail"]);
    let add = ["consumers", "add", "mail", "--worker", "mailer", "--max-concurrency", "3"];
    let added = desk.json(&[&add[..], &["--batch-timeout", "2s"]].concat());
    assert_eq!((&added["type"], &added["script"]), (&"worker".into(), &"mailer".into()));
    let changed = desk.json(&["consumers", "update", "mail", "--batch-size", "50"]);
    assert_eq!((&changed["type"], &changed["script"]), (&"worker".into(), &"mailer".into()));
    let settings = &changed["settings"];
    assert_eq!((&settings["max_concurrency"], &settings["max_wait_time_ms"]), (&3.into(), &2000.into()));
    assert_eq!(settings["batch_size"], 50);
    desk.kew.stop();
}

#[test]
fn what_cannot_be_is_told() {
    let desk = Desk::new();
    desk.prints(&["queues", "create", "mail"]);
    let second = desk.complaint(&["consumers", "add", "jobs"]);
    assert!(second.ends_with("[code: 11004]; kew consumers update QUEUE changes it\n"), "{second}");
    let none = desk.complaint(&["consumers", "update", "mail", "--batch-size", "1"]);
    assert_eq!(none, "kew: mail has no consumer; kew consumers add mail attaches one\n");
    let missing = desk.complaint(&["consumers", "add", "nobody"]);
    assert!(missing.starts_with("kew: there is no queue nobody"), "{missing}");
    // A setting that the kind of consumer lacks is not passed over in silence.
    for (arguments, flag) in [
        (&["consumers", "add", "mail", "--max-concurrency", "3"][..], "--max-concurrency"),
        (&["consumers", "update", "jobs", "--batch-timeout", "3s"], "--batch-timeout"),
        (
            &["consumers", "add", "mail", "--worker", "w", "--visibility-timeout", "3s"],
            "--visibility-timeout",
        ),
    ] {
        let refused = desk.complaint(arguments);
        assert!(refused.starts_with(&format!("kew: {flag}: ")), "{refused}");
    }
    desk.kew.stop();
}
