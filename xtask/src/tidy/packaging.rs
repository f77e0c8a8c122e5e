//! What the files in `packaging/` must say: the unit and the images give the process no more than it needs.
//!
//! `cargo xtask test` has systemd itself read the unit as well. Images cannot be built everywhere, so what counts about
//! them is looked for here.

use super::File;

const UNIT: &str = "packaging/systemd/kew.service";
const IMAGE: &str = "packaging/container/Dockerfile";
const COMPOSE: &str = "packaging/container/compose.yaml";
const SETTINGS: &str = "packaging/kew.toml";
const TABLE: &str = "crates/kew-cli/src/config/settings.rs";

/// Lines that the unit must have.
const UNIT_LINES: [&str; 26] = [
    "Type=notify",
    "ExecReload=/bin/kill -HUP $MAINPID",
    "Restart=on-failure",
    "User=kew",
    "StateDirectory=kew",
    "StateDirectoryMode=0700",
    "UMask=0077",
    "LimitCORE=0",
    "MemoryMax=2G",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "MemoryDenyWriteExecute=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "WantedBy=multi-user.target",
];

/// Lines that the composition must have.
const COMPOSE_LINES: [&str; 4] =
    ["read_only: true", "cap_drop: [ALL]", "security_opt: [\"no-new-privileges:true\"]", "- ./tls:/tls:ro"];

/// What is wrong with them.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map_or("", |file| &file.text);
    let toolchain = text("Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = "));
    let mut complaints = lines(UNIT, text(UNIT), &UNIT_LINES);
    complaints.extend(lines(COMPOSE, text(COMPOSE), &COMPOSE_LINES));
    complaints.extend(image(text(IMAGE), toolchain.unwrap_or_default().trim_matches('"')));
    complaints.extend(settings(text(SETTINGS), text(TABLE)));
    complaints
}

/// Lines that a file lacks.
fn lines(path: &str, text: &str, wanted: &[&str]) -> Vec<String> {
    let missing = wanted.iter().filter(|wanted| text.lines().all(|line| line.trim() != **wanted));
    missing.map(|line| format!("{path}: lacks the line {line}")).collect()
}

/// An instruction of a Dockerfile, with what follows it.
type Instruction<'a> = (&'a str, &'a str);

/// What is wrong with the image: it is built in several stages of named versions, the first with the toolchain of the
/// workspace, and the last runs one program as nobody.
fn image(text: &str, toolchain: &str) -> Vec<String> {
    let instructions: Vec<Instruction<'_>> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with(' '))
        .filter_map(|line| line.split_once(' '))
        .collect();
    let is_stage = |(name, _): &Instruction<'_>| *name == "FROM";
    let stages: Vec<_> = instructions.iter().copied().filter(is_stage).collect();
    let last = instructions.iter().rposition(is_stage).map_or(&[][..], |start| &instructions[start..]);
    let of = |name: &str| last.iter().copied().filter(|(found, _)| *found == name).collect::<Vec<_>>();
    let names_version = |(_, base): &Instruction<'_>| {
        let base = base.split(' ').next().unwrap_or_default();
        base.split_once(':').is_some_and(|(_, tag)| tag != "latest")
    };
    let is_nobody = |(_, user): &Instruction<'_>| {
        let user = user.split(':').next().and_then(|id| id.parse::<u32>().ok());
        user.is_some_and(|id| id > 0)
    };
    let builds =
        |(name, what): &Instruction<'_>| *name == "RUN" && what.contains("cargo build --locked --release");
    [
        (stages.len() >= 2, "is not built in several stages"),
        (stages.iter().all(names_version), "is made from an image without a version"),
        (
            stages.first().is_some_and(|(_, base)| base.starts_with(&format!("rust:{toolchain}."))),
            "is not built with the toolchain of the workspace",
        ),
        (instructions.iter().any(builds), "is not built from the locked dependencies"),
        (of("USER").last().is_some_and(is_nobody), "does not run as a user with a number above 0"),
        (of("RUN").is_empty(), "runs something in the last stage"),
        (of("COPY").iter().all(|(_, what)| what.starts_with("--from=build ")), "takes what was not built"),
        (
            of("ENTRYPOINT") == [("ENTRYPOINT", "[\"/usr/local/bin/kew\"]")],
            "does not start the program itself",
        ),
        (of("VOLUME") == [("VOLUME", "[\"/data\"]")], "has no volume for the store"),
        (instructions.iter().all(|(name, _)| *name != "ADD"), "has an ADD, which may fetch from anywhere"),
    ]
    .into_iter()
    .filter(|(holds, _)| !holds)
    .map(|(_, what)| format!("{IMAGE}: {what}"))
    .collect()
}

/// Keys of the settings file, commented ones included, that no setting has.
fn settings(text: &str, table: &str) -> Vec<String> {
    let keys = text.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
    let unknown = keys.filter(|(key, _)| !table.contains(&format!("key: \"{key}\"")));
    unknown.map(|(key, _)| format!("{SETTINGS}: sets {key}, which is no setting")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
FROM rust:1.95.0-bookworm AS build
COPY . .
RUN cargo build --locked --release
FROM debian:bookworm-slim
COPY --from=build /a /b
USER 65532:65532
VOLUME [\"/data\"]
ENTRYPOINT [\"/usr/local/bin/kew\"]
";

    #[test]
    fn an_image_that_gives_too_much_is_found() {
        assert_eq!(image(GOOD, "1.95"), Vec::<String>::new());
        for (from, to, complaint) in [
            ("65532:65532", "root", "does not run as a user with a number above 0"),
            ("65532:65532", "0", "does not run as a user with a number above 0"),
            ("debian:bookworm-slim", "debian", "is made from an image without a version"),
            ("debian:bookworm-slim", "debian:latest", "is made from an image without a version"),
            ("rust:1.95.0", "rust:1.90.0", "is not built with the toolchain of the workspace"),
            (" --locked", "", "is not built from the locked dependencies"),
            ("--from=build /a", "/a", "takes what was not built"),
            ("USER", "RUN apt-get install curl\nUSER", "runs something in the last stage"),
            ("[\"/usr/local/bin/kew\"]", "kew", "does not start the program itself"),
            (
                "COPY . .",
                "COPY . .\nADD https://example.com/a /a",
                "has an ADD, which may fetch from anywhere",
            ),
        ] {
            let expected = format!("{IMAGE}: {complaint}");
            assert_eq!(image(&GOOD.replace(from, to), "1.95"), [expected], "{from} → {to}");
        }
    }

    #[test]
    fn a_missing_line_and_an_unknown_setting_are_found() {
        assert_eq!(lines("unit", " a=1\nb=2", &["a=1", "c=3"]), ["unit: lacks the line c=3"]);
        let found = settings("data = 1\n# lisen = 2\n", "key: \"data\", key: \"listen\"");
        assert_eq!(found, ["packaging/kew.toml: sets lisen, which is no setting"]);
    }
}
