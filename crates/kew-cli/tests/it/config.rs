//! Help, settings and their origins.

use std::process::Command;

use crate::kew::{command, complaint, folder, printed, run};

#[test]
fn help_names_every_command() {
    let folder = folder();
    let output = run(folder.path(), &["--help"]);
    let text = printed(&output);
    assert!(output.status.success());
    for name in [
        "dev",
        "serve",
        "queues",
        "consumers",
        "push",
        "pull",
        "peek",
        "ack",
        "retry",
        "extend",
        "redrive",
        "account",
        "token",
        "bench",
        "completions",
    ] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(name)), "{name} in {text}");
        assert!(run(folder.path(), &[name, "--help"]).status.success(), "{name} --help");
    }
    assert_eq!(printed(&run(folder.path(), &["help"])), text);
    let version = printed(&run(folder.path(), &["--version"]));
    assert_eq!(version.trim(), concat!("kew ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn print_config_shows_each_value_with_its_origin() {
    let folder = folder();
    std::fs::write(folder.path().join("kew.toml"), "threads = 3\nlog_format = \"json\"\n").unwrap();
    let output = command(folder.path(), &["serve", "--print-config", "--log-level", "debug"])
        .env("KEW_CONNECTIONS_MAX", "77")
        .env("KEW_THREADS", "4")
        .output()
        .unwrap();
    let text = printed(&output);
    for (key, value, origin) in [
        ("data", "./kew-data", "default"),
        ("threads", "4", "KEW_THREADS"),
        ("connections_max", "77", "KEW_CONNECTIONS_MAX"),
        ("log_format", "json", "kew.toml"),
        ("log_level", "debug", "--log-level"),
    ] {
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(words.contains(&vec![key, value, origin]), "{key} {value} {origin} in {text}");
    }
    assert!(!folder.path().join("kew-data").exists(), "nothing is opened");
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    let folder = folder();
    std::fs::write(folder.path().join("kew.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    let refused = complaint(&run(folder.path(), &["serve", "--print-config"]));
    assert_eq!(refused, "kew: lisen (kew.toml): no such setting; the nearest is listen\n");

    std::fs::remove_file(folder.path().join("kew.toml")).unwrap();
    let output = command(folder.path(), &["serve", "--print-config"]).env("KEW_DATE", "x").output().unwrap();
    assert_eq!(complaint(&output), "kew: date (KEW_DATE): no such setting; the nearest is data\n");

    let output = run(folder.path(), &["serve", "--lisen", "127.0.0.1:1"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("--listen"), "{text}");
}

#[test]
fn a_bad_value_is_refused_with_its_origin() {
    let folder = folder();
    let output = command(folder.path(), &["serve"]).env("KEW_THREADS", "65").output().unwrap();
    assert_eq!(
        complaint(&output),
        "kew: threads (KEW_THREADS): must be a whole number from 0 to 64, not \"65\"\n"
    );
    let refused = complaint(&run(folder.path(), &["serve", "--listen", "localhost:7791"]));
    let expected = "must be an IP address and a port, for example 127.0.0.1:7790, not \"localhost:7791\"";
    assert_eq!(refused, format!("kew: listen (--listen): {expected}\n"));
    let output = run(folder.path(), &["dev", "--listen", "localhost:7791"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains(expected), "{text}");
    let refused = complaint(&run(folder.path(), &["serve", "--config", "missing.toml"]));
    assert!(refused.starts_with("kew: cannot read missing.toml: "), "{refused}");
}

#[test]
fn bash_completes_commands_and_flags() {
    let folder = folder();
    for shell in ["zsh", "fish"] {
        assert!(printed(&run(folder.path(), &["completions", shell])).contains("redrive"), "{shell}");
    }
    // Given a bash that has read the script.
    std::fs::write(folder.path().join("kew.bash"), run(folder.path(), &["completions", "bash"]).stdout)
        .unwrap();
    let complete = |words: &str| {
        let script = format!(
            "source kew.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _kew kew \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo ${{COMPREPLY[@]}}"
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    // Then it knows what a word may become.
    assert_eq!(complete("kew red"), "redrive");
    assert_eq!(complete("kew queues pur"), "purge");
    assert_eq!(complete("kew pull --fol"), "--follow");
}
