//! Accounts and tokens, from the command line to what they open.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::http::{ask, messages};
use crate::kew::{Kew, command, complaint, folder, printed, run};

/// A server with its account, and the admin commands on it.
struct House {
    folder: tempfile::TempDir,
    kew: Kew,
    account: String,
}

impl House {
    fn new() -> Self {
        let folder = folder();
        let kew = Kew::serve(folder.path(), &[]);
        let mut house = Self { folder, kew, account: String::new() };
        house.account = house.admin(&["account", "list"])[0]["id"].as_str().unwrap().to_owned();
        house
    }

    /// Stops the server and starts it again.
    fn restarted(self) -> Self {
        self.restarted_with(&[])
    }

    /// As [`House::restarted`], with flags.
    fn restarted_with(self, more: &[&str]) -> Self {
        let Self { folder, kew, account } = self;
        kew.stop();
        let kew = Kew::serve(folder.path(), more);
        Self { folder, kew, account }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs an admin command with `--json` and the first admin token.
    fn admin(&self, command: &[&str]) -> Value {
        let file = self.kew.file("admin.token");
        let more = ["--json", "--url", &self.kew.url, "--token-file", file.to_str().unwrap()];
        let output = run(self.path(), &[command, &more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&printed(&output)).unwrap()
    }

    fn token(&self, more: &[&str]) -> (String, String) {
        let made = self.admin(&[&["token", "create"], more].concat());
        (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }

    /// Makes a token that no command makes; returns its secret.
    fn made(&self, asked: &str) -> String {
        let token = std::fs::read_to_string(self.kew.file("admin.token")).unwrap();
        self.made_by(token.trim(), asked)
    }

    /// As [`House::made`], with another admin token.
    fn made_by(&self, token: &str, asked: &str) -> String {
        let url = format!("{}/kew/v1/accounts/{}/tokens", self.kew.url, self.account);
        let made = ask(&url, &[("authorization", &format!("Bearer {token}"))], Some(asked));
        made.result()["secret"].as_str().unwrap().to_owned()
    }

    /// The complaint of `kew token create` with these flags.
    fn refuses(&self, more: &[&str]) -> String {
        let file = self.kew.file("admin.token");
        let target = ["--url", &self.kew.url, "--token-file", file.to_str().unwrap()];
        complaint(&run(self.path(), &[&["token", "create"], more, &target].concat()))
    }

    /// Makes a queue with a pull consumer; returns its id.
    fn queue(&self, name: &str) -> String {
        let token = std::fs::read_to_string(self.kew.file("admin.token")).unwrap();
        let authorization = format!("Bearer {}", token.trim());
        let headers = [("authorization", authorization.as_str())];
        let url = format!("{}/client/v4/accounts/{}/queues", self.kew.url, self.account);
        let made = ask(&url, &headers, Some(&format!(r#"{{"queue_name":"{name}"}}"#)));
        let id = made.result()["queue_id"].as_str().unwrap().to_owned();
        ask(&format!("{url}/{id}/consumers"), &headers, Some(r#"{"type":"http_pull"}"#)).result();
        id
    }

    /// The statuses of a push, a pull and an empty ack.
    fn statuses(&self, token: &str, queue: &str) -> [u16; 3] {
        let ask =
            |verb, body| messages(&self.kew.url, token, (self.account.as_str(), queue), verb, body).status;
        [ask("", r#"{"body":1}"#), ask("/pull", ""), ask("/ack", "{}")]
    }
}

#[test]
fn a_token_opens_what_its_scopes_say() {
    let house = House::new();
    let queue = house.queue("jobs");
    for (scopes, expected) in [
        ("push", [200, 403, 403]),
        ("consume", [403, 200, 200]),
        ("push,consume", [200, 200, 200]),
        ("read", [403, 403, 403]),
        ("admin", [200, 200, 200]),
    ] {
        let (_, secret) = house.token(&["--scope", scopes]);
        assert_eq!(house.statuses(&secret, &queue), expected, "{scopes}");
    }
    house.kew.stop();
}

#[test]
fn a_token_opens_only_the_queues_of_its_pattern() {
    let house = House::new();
    let (mine, other) = (house.queue("mail-in"), house.queue("jobs"));
    let (_, exact) = house.token(&["--scope", "push,consume", "--queue", &mine]);
    let (_, named) = house.token(&["--scope", "push,consume", "--queue", "mail-in"]);
    let (_, prefix) = house.token(&["--scope", "push,consume", "--queue-prefix", "mail-"]);
    for secret in [exact, named, prefix] {
        assert_eq!(house.statuses(&secret, &mine), [200, 200, 200]);
        assert_eq!(house.statuses(&secret, &other), [404, 404, 404], "as if it were not there");
    }
    house.kew.stop();
}

#[test]
fn a_revoked_or_expired_token_opens_nothing() {
    let house = House::new();
    let queue = house.queue("jobs");
    let (id, secret) = house.token(&["--scope", "push,consume", "--name", "worker", "--expires", "30d"]);
    assert_eq!(house.statuses(&secret, &queue), [200, 200, 200]);
    let listed = house.admin(&["token", "list"]);
    let listed = listed.as_array().unwrap().iter().find(|token| token["id"] == id.as_str()).unwrap();
    assert_eq!(listed["name"], "worker");
    assert!(listed["secret"].is_null() && listed["expires_on"].is_string(), "{listed}");
    house.admin(&["token", "revoke", &id]);
    assert_eq!(house.statuses(&secret, &queue), [401, 401, 401]);

    let expired = house.made(r#"{"scopes":["push"],"expires_on":"2020-01-01T00:00:00Z"}"#);
    assert_eq!(house.statuses(&expired, &queue), [401, 401, 401]);
    house.kew.stop();
}

#[test]
fn a_token_that_would_open_nothing_or_too_much_is_not_made() {
    let house = House::new();
    house.queue("jobs");
    for when in ["0d", "0m"] {
        let refused = house.refuses(&["--scope", "push", "--expires", when]);
        assert_eq!(refused, format!("kew: --expires: {when} is now: the token would open nothing\n"));
    }
    for pattern in [["--queue", "jobs"], ["--queue-prefix", "mail-"]] {
        let refused = house.refuses(&[&["--scope", "push,admin"][..], &pattern].concat());
        assert!(refused.starts_with("kew: --scope admin: opens the accounts and tokens"), "{refused}");
    }
    let refused = house.refuses(&["--scope", "push", "--queue", "nobody"]);
    assert!(refused.starts_with("kew: there is no queue nobody"), "{refused}");
    assert_eq!(house.admin(&["token", "list"]).as_array().unwrap().len(), 1);
    house.kew.stop();
}

#[test]
fn a_start_that_finds_no_admin_token_writes_one() {
    let house = House::new();
    let first = std::fs::read_to_string(house.kew.file("admin.token")).unwrap();
    let listed = house.admin(&["token", "list"]);
    let first_id = listed[0]["id"].as_str().unwrap().to_owned();
    // Given an admin token beside the first one, and the first one revoked.
    let (second_id, second) = house.token(&["--scope", "admin"]);
    house.admin(&["token", "revoke", &first_id]);
    let house = house.restarted();
    // Then the next start neither writes another nor tells of a file that opens nothing.
    assert_eq!(std::fs::read_to_string(house.kew.file("admin.token")).unwrap(), first);
    assert!(!house.kew.notice.contains("admin.token"), "{}", house.kew.notice);
    // Given that one exchanged for tokens that cannot administer.
    let run_as_second = |command: &[&str]| {
        let more = ["--url", &house.kew.url, "--token", &second];
        let output = run(house.path(), &[command, &more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run_as_second(&["token", "create", "--scope", "push,consume,read,write"]);
    house.made_by(&second, r#"{"scopes":["admin"],"queue_prefix":"mail-"}"#);
    house.made_by(&second, r#"{"scopes":["admin"],"expires_on":"2020-01-01T00:00:00Z"}"#);
    run_as_second(&["token", "revoke", &second_id]);
    let house = house.restarted();
    // Then the next start writes a new one, says so, and it administers.
    assert_ne!(std::fs::read_to_string(house.kew.file("admin.token")).unwrap(), first);
    assert!(house.kew.notice.contains("admin.token"), "{}", house.kew.notice);
    assert_eq!(house.admin(&["token", "list"]).as_array().unwrap().len(), 4);
    house.kew.stop();
}

#[test]
fn an_admin_token_that_nobody_has_any_more_is_replaced_when_asked_for() {
    let house = House::new();
    let queue = house.queue("jobs");
    let (file, audit) = (house.kew.file("admin.token"), house.kew.file("audit.log"));
    let lost = std::fs::read_to_string(&file).unwrap();
    // Given a store whose admin token is in no file, as a restored one: a start says so, and how to get one.
    std::fs::remove_file(&file).unwrap();
    let house = house.restarted();
    let line =
        "admin token  not in that folder; if nobody has one any more, start once with --new-admin-token\n";
    assert!(house.kew.notice.contains(line) && !file.exists(), "{}", house.kew.notice);
    // When it is asked for one
    let house = house.restarted_with(&["--new-admin-token"]);
    // Then there is one, its owner's alone, which administers; the audit log says so, and the messages are where they were.
    assert!(house.kew.notice.contains("admin.token"), "{}", house.kew.notice);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let found = std::fs::read_to_string(&file).unwrap();
    assert_ne!(found, lost);
    let listed = house.admin(&["token", "list"]);
    let made = listed.as_array().unwrap().last().unwrap()["id"].clone();
    let last: Value =
        serde_json::from_str(std::fs::read_to_string(&audit).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((&last["action"], &last["made_id"]), (&"admin-token-written".into(), &made));
    assert_eq!(house.statuses(found.trim(), &queue), [200, 200, 200]);
    // And asked again it makes no other: the flag may stay where it was written.
    let house = house.restarted_with(&["--new-admin-token"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), found);
    assert_eq!(house.admin(&["token", "list"]).as_array().unwrap().len(), 2);
    house.kew.stop();
}

#[test]
fn a_legacy_key_goes_with_its_address_alone() {
    let house = House::new();
    house.queue("jobs");
    let (_, key) = house.token(&["--scope", "read", "--email", "ops@example.com"]);
    let url = format!("{}/client/v4/accounts/{}/queues", house.kew.url, house.account);
    let status = |email| ask(&url, &[("x-auth-email", email), ("x-auth-key", &key)], None).status;
    assert_eq!((status("ops@example.com"), status("eve@example.com")), (200, 401));
    // People are shown the headers that the key goes into.
    let file = house.kew.file("admin.token");
    let create = ["token", "create", "--scope", "read", "--email", "ops@example.com"];
    let more = ["--url", &house.kew.url, "--token-file", file.to_str().unwrap()];
    let shown = printed(&run(house.path(), &[&create[..], &more].concat()));
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with("X-Auth-Key: "), "{shown}");
    assert!(last.ends_with(" (with X-Auth-Email: ops@example.com)"), "{shown}");
    house.kew.stop();
}

#[test]
fn accounts_are_apart() {
    let house = House::new();
    let queue = house.queue("jobs");
    let made = house.admin(&["account", "create", "second"]);
    let second = made[0]["id"].as_str().unwrap();
    let (_, secret) = house.token(&["--scope", "push,consume,read", "--account", second]);
    let statuses = house.statuses(&secret, &queue);
    assert!(statuses.iter().all(|status| [403, 404].contains(status)), "{statuses:?}");
    assert_eq!(house.admin(&["account", "list"]).as_array().unwrap().len(), 2);
    // With several accounts one has to be named, and the complaint tells which there are.
    let file = house.kew.file("admin.token");
    let list = ["token", "list", "--url", &house.kew.url, "--token-file", file.to_str().unwrap()];
    let unnamed = complaint(&run(house.path(), &list));
    assert!(unnamed.contains(&format!("{second} \"second\"): name one by --account")), "{unnamed}");
    house.kew.stop();
}

#[test]
fn admin_commands_need_an_admin_token_and_a_server() {
    let house = House::new();
    let (_, secret) = house.token(&["--scope", "push,consume,read,write"]);
    let list = |url: &str| run(house.path(), &["account", "list", "--url", url, "--token", &secret]);
    let refused = complaint(&list(&house.kew.url));
    assert!(refused.contains("[code: 10000]"), "{refused}");
    // Whose token the server does not know learns where the token came from.
    let foreign = command(house.path(), &["account", "list", "--url", &house.kew.url])
        .env("CLOUDFLARE_API_TOKEN", "another")
        .output()
        .unwrap();
    let foreign = complaint(&foreign);
    assert!(foreign.ends_with("[code: 10000], with the token of CLOUDFLARE_API_TOKEN\n"), "{foreign}");
    let missing = complaint(&run(house.path(), &["account", "list", "--url", &house.kew.url]));
    assert!(missing.contains("no credential: give --token-file (DIR/admin.token of kew serve)"), "{missing}");
    assert!(!refused.contains(&secret));
    let url = house.kew.url.clone();
    house.kew.stop();
    let folder = folder();
    let away = complaint(&run(folder.path(), &["account", "list", "--url", &url, "--token", "x"]));
    assert_eq!(away, format!("kew: no server answers on {url}; is kew running?\n"));
}
