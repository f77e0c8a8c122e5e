//! `kew dev`: what it prints works, and a repeat finds everything again.

use std::process::Command;

use serde_json::Value;

use crate::http::{ask, messages};
use crate::kew::{Kew, QUEUE, complaint, folder, run};

/// A setting of `dev.env`.
fn setting(kew: &Kew, name: &str) -> String {
    let text = std::fs::read_to_string(kew.file("dev.env")).unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
}

fn bash(script: &str) -> String {
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_printed_round_trip_works_as_pasted() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    // Given the lines between the two headings, as somebody would copy them.
    let (_, rest) = kew.notice.split_once("with curl\n").unwrap();
    let (script, _) = rest.split_once("\nClients").unwrap();
    // When they are pasted.
    let answers = bash(script);
    // Then each of the three answers is a success, and the message was pulled and acked.
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| answer["success"] == true), "{answers:?}");
    assert_eq!(answers[1]["result"]["messages"][0]["body"], "hello");
    assert_eq!(answers[2]["result"]["ackCount"], 1);
    kew.stop();
}

#[test]
fn the_environment_of_the_clients_is_printed_and_written() {
    let folder = folder();
    let kew = Kew::start(folder.path(), &["dev", "--queue", &format!("my-jobs={QUEUE}")]);
    let base = format!("{}/client/v4", kew.url);
    assert_eq!(setting(&kew, "CLOUDFLARE_BASE_URL"), base);
    assert_eq!(setting(&kew, "CLOUDFLARE_API_BASE_URL"), base);
    assert_eq!(setting(&kew, "KEW_QUEUE_ID_MY_JOBS"), QUEUE);
    let file = kew.file("dev.env");
    for line in std::fs::read_to_string(&file).unwrap().lines() {
        assert!(kew.notice.contains(&format!("export {line}")), "{line}");
    }
    // The file can be sourced, and the admin commands of the binary go by it as well.
    let script =
        format!("set -a; source {}; {} account list --json", file.display(), env!("CARGO_BIN_EXE_kew"));
    let accounts: Value = serde_json::from_str(&bash(&script)).unwrap();
    assert_eq!(accounts[0]["id"], setting(&kew, "CLOUDFLARE_ACCOUNT_ID").as_str());
    // A token that this server will not take is not handed out without a remark.
    let create = ["token", "create", "--scope", "push", "--url", &kew.url, "--token"];
    let made = run(folder.path(), &[&create[..], &[kew_server::DEVELOPMENT_TOKEN]].concat());
    let remark = String::from_utf8(made.stderr).unwrap();
    assert!(made.status.success() && remark.contains("takes its fixed token only"), "{remark}");
    let rest = kew.stop();
    assert!(rest.contains("Stopping; waiting") && rest.ends_with("Stopped.\n"), "{rest}");
}

#[test]
fn variables_of_the_server_are_ignored_and_named_once() {
    let folder = folder();
    let kew = Kew::start_with(folder.path(), &["dev", "--queue", "jobs"], |command| {
        // Two settings of the server, one of them misspelt, its settings file, and what other commands go by.
        for name in ["KEW_THREADS", "KEW_DATE", "KEW_CONFIG", "KEW_URL", "KEW_TOKEN", "KEW_QUEUE_ID_JOBS"] {
            command.env(name, "a value");
        }
    });
    let rest = kew.stop();
    let remark = "kew: kew dev goes by its flags alone and ignores KEW_CONFIG, KEW_DATE, KEW_THREADS";
    assert_eq!(rest.lines().filter(|line| line.contains("ignores")).collect::<Vec<_>>(), [remark]);
    assert!(!rest.contains("a value"), "{rest}");
}

#[test]
fn its_folder_keeps_itself_out_of_repositories() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let file = kew.file(".gitignore");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "*\n");
    kew.stop();
    // What somebody wrote there in its place stays.
    std::fs::write(&file, "*\n!dev.env\n").unwrap();
    Kew::dev(folder.path()).stop();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "*\n!dev.env\n");
    // The server makes none: its folder is of a machine, not of a repository.
    let served = crate::kew::folder();
    let kew = Kew::serve(served.path(), &[]);
    assert!(!kew.file(".gitignore").exists());
    kew.stop();
}

#[test]
fn a_repeat_finds_the_same_queue_and_its_messages() {
    let folder = folder();
    let first = Kew::start(folder.path(), &["dev", "--queue", "jobs"]);
    let (account, token) =
        (setting(&first, "CLOUDFLARE_ACCOUNT_ID"), setting(&first, "CLOUDFLARE_API_TOKEN"));
    let queue = setting(&first, "KEW_QUEUE_ID_JOBS");
    let place = (account.as_str(), queue.as_str());
    let pushed = messages(&first.url, &token, place, "", r#"{"body":"kept","content_type":"text"}"#);
    assert_eq!(pushed.status, 200, "{}", pushed.body);
    let lease = messages(&first.url, &token, place, "/pull", "");
    let lease_id = lease.result()["messages"][0]["lease_id"].as_str().unwrap().to_owned();
    messages(&first.url, &token, place, "", r#"{"body":"waiting","content_type":"text"}"#).result();
    first.stop();

    let second = Kew::start(folder.path(), &["dev", "--queue", "jobs"]);
    assert_eq!(setting(&second, "KEW_QUEUE_ID_JOBS"), queue);
    let pulled = messages(&second.url, &token, place, "/pull", r#"{"batch_size":10}"#);
    let bodies: Vec<_> = pulled.result()["messages"].as_array().unwrap().iter().map(|m| &m["body"]).collect();
    assert_eq!(bodies, ["waiting"], "the leased one is not given out again");
    let acked =
        messages(&second.url, &token, place, "/ack", &format!(r#"{{"acks":[{{"lease_id":"{lease_id}"}}]}}"#));
    assert_eq!(acked.result()["ackCount"], 1, "a lease of before the restart is good");
    second.stop();
}

#[test]
fn an_id_can_be_fixed_but_not_changed() {
    let folder = folder();
    Kew::dev(folder.path()).stop();
    let other = "--queue=jobs=11111111111111111111111111111111";
    let arguments = ["dev", other, "--listen", "127.0.0.1:0", "--data", "store"];
    let text = complaint(&run(folder.path(), &arguments));
    assert!(text.contains(&format!("the queue exists with the id {QUEUE}")), "{text}");
    let same = format!("--queue=more={QUEUE}");
    let text = complaint(&run(folder.path(), &["dev", &same, "--listen", "127.0.0.1:0", "--data", "store"]));
    assert!(text.contains("the id is that of queue jobs"), "{text}");
}

#[test]
fn any_account_is_an_alias_and_any_email_goes_with_the_key() {
    let folder = folder();
    let kew = Kew::dev(folder.path());
    let token = setting(&kew, "CLOUDFLARE_API_TOKEN");
    let url = format!("{}/client/v4/accounts/{QUEUE}/queues", kew.url);
    let listed = ask(&url, &[("x-auth-email", "any@example.com"), ("x-auth-key", &token)], None);
    assert_eq!(listed.result()[0]["queue_id"], QUEUE);
    let refused = ask(&url, &[("authorization", "Bearer another")], None);
    assert_eq!((refused.status, refused.code()), (401, 10_000));
    kew.stop();
}

#[test]
fn several_queues_are_made_and_all_can_be_pulled_from() {
    let folder = folder();
    let kew = Kew::start(folder.path(), &["dev", "--queue", "one", "--queue", "two", "--queue", "one"]);
    let (account, token) = (setting(&kew, "CLOUDFLARE_ACCOUNT_ID"), setting(&kew, "CLOUDFLARE_API_TOKEN"));
    for name in ["KEW_QUEUE_ID_ONE", "KEW_QUEUE_ID_TWO"] {
        let queue = setting(&kew, name);
        let pulled = messages(&kew.url, &token, (&account, &queue), "/pull", "{}");
        assert_eq!(pulled.result()["message_backlog_count"], 0);
    }
    kew.stop();
}
