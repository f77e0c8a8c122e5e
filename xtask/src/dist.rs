//! `cargo xtask dist`: what a release consists of, in `target/dist/`.
//!
//! A folder with the stripped program, its licence and the files of `packaging/`, the same as an archive, the bill of
//! materials (CycloneDX 1.5, from the locked dependencies that the program is built from), and the checksums of both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::program::{self, Program};
use crate::say;
use crate::workspace::{self, text};

/// The largest program, in bytes (design §7).
const PROGRAM_BYTES_MAX: u64 = 15_000_000;
const PACKAGE: &str = "kew-cli";

/// Makes a release of this machine's kind.
///
/// # Errors
/// When the build fails, or the program is larger than it may be.
pub(crate) fn run() -> anyhow::Result<()> {
    let version = program::output(&["rustc", "--version", "--verbose"])?;
    let target =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Program::new(&["cargo", "build", "--locked", "--release", "--package", PACKAGE]).run()?;
    let words = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target];
    let metadata: Value = serde_json::from_str(&program::output(&words)?).context("cargo metadata")?;
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let bill = Bill::read(&metadata, &lock)?;

    let built = PathBuf::from(text(&metadata["target_directory"]));
    let dist = built.join("dist");
    let name = format!("kew-{}-{target}", bill.version);
    let folder = dist.join(&name);
    if dist.exists() {
        fs::remove_dir_all(&dist).context("cannot clear target/dist")?;
    }
    fs::create_dir_all(&folder).context("cannot make target/dist")?;
    copy(&built.join("release/kew"), &folder.join("kew"))?;
    copy(&workspace::root().join("LICENSE"), &folder.join("LICENSE"))?;
    for file in ["kew.toml", "systemd/kew.service", "systemd/kew.sysusers"] {
        let last = file.rsplit('/').next().unwrap_or(file);
        copy(&workspace::root().join("packaging").join(file), &folder.join(last))?;
    }
    let bytes = fs::metadata(folder.join("kew")).context("cannot look at the program")?.len();
    ensure!(bytes <= PROGRAM_BYTES_MAX, "the program has {bytes} bytes, more than {PROGRAM_BYTES_MAX}");

    let bill_name = format!("{name}.cdx.json");
    let text =
        serde_json::to_string_pretty(&bill.document()).context("cannot write the bill of materials")?;
    fs::write(dist.join(&bill_name), text + "\n").context("cannot write the bill of materials")?;
    let archive = format!("{name}.tar.gz");
    let tar = ["tar", "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--mtime=@0", "--gzip"];
    Program::new(&tar)
        .argument("--create")
        .argument("--file")
        .argument(&archive)
        .argument(&name)
        .within(&dist)
        .run()?;
    let sums = Program::new(&["sha256sum", &archive, &bill_name, &format!("{name}/kew")]).within(&dist);
    fs::write(dist.join("SHA256SUMS"), sums.all_output()?).context("cannot write the checksums")?;
    say::line(&format!("target/dist: {archive}, {bill_name}, SHA256SUMS; the program has {bytes} bytes"));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// What the program is made of.
#[derive(Debug)]
struct Bill {
    version: String,
    /// Each crate by cargo's own id for it.
    parts: BTreeMap<String, Part>,
    root: String,
}

#[derive(Debug)]
struct Part {
    name: String,
    version: String,
    licence: Option<String>,
    checksum: Option<String>,
    is_ours: bool,
    needs: BTreeSet<String>,
}

impl Bill {
    /// Finds every crate that the program is built from: by its normal and build dependencies, not by those of tests.
    fn read(metadata: &Value, lock: &str) -> anyhow::Result<Self> {
        let checksums = checksums(lock);
        let packages = list(&metadata["packages"]).map(|package| (text(&package["id"]), package));
        let packages: BTreeMap<_, _> = packages.collect();
        let nodes: BTreeMap<_, _> =
            list(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
        let root = packages.iter().find(|(_, package)| package["name"] == PACKAGE);
        let root = root.map(|(id, _)| id.clone()).context("the workspace has no program")?;
        let mut parts = BTreeMap::new();
        let mut waiting = vec![root.clone()];
        while let Some(id) = waiting.pop() {
            if parts.contains_key(&id) {
                continue;
            }
            let package = packages.get(&id).with_context(|| format!("{id} is not described"))?;
            let node = nodes.get(&id).with_context(|| format!("{id} is not resolved"))?;
            let is_built =
                |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev");
            let needs: BTreeSet<_> =
                list(&node["deps"]).filter(is_built).map(|dependency| text(&dependency["pkg"])).collect();
            waiting.extend(needs.iter().cloned());
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            let checksum = checksums.get(&(name.clone(), version.clone())).cloned();
            let licence = package["license"].as_str().map(|licence| licence.replace('/', " OR "));
            let is_ours = package["source"].is_null();
            parts.insert(id, Part { name, version, licence, checksum, is_ours, needs });
        }
        let version = parts[&root].version.clone();
        Ok(Self { version, parts, root })
    }

    /// The bill as CycloneDX 1.5.
    fn document(&self) -> Value {
        let others = self.parts.iter().filter(|(id, _)| **id != self.root);
        let root = &self.parts[&self.root];
        let program = json!({
            "type": "application",
            "name": "kew",
            "version": root.version,
            "bom-ref": root.reference(),
            "licenses": root.licences(),
        });
        let dependencies = self.parts.values().map(|part| {
            let needs: BTreeSet<_> = part.needs.iter().map(|id| self.parts[id].reference()).collect();
            json!({ "ref": part.reference(), "dependsOn": needs })
        });
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": program },
            "components": others.map(|(_, part)| part.component()).collect::<Vec<_>>(),
            "dependencies": dependencies.collect::<Vec<_>>(),
        })
    }
}

impl Part {
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn licences(&self) -> Value {
        self.licence.as_ref().map_or(json!([]), |licence| json!([{ "expression": licence }]))
    }

    fn component(&self) -> Value {
        let mut component = json!({
            "type": "library",
            "name": self.name,
            "version": self.version,
            "bom-ref": self.reference(),
            "scope": "required",
            "licenses": self.licences(),
        });
        if !self.is_ours {
            component["purl"] = json!(self.reference());
        }
        if let Some(checksum) = &self.checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    }
}

/// The checksum of each crate in a lock file, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let sections = lock.split("[[package]]").skip(1);
    let found = sections.filter_map(|section| {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            section.lines().find_map(|line| Some(line.strip_prefix(&start)?.strip_suffix('"')?.to_owned()))
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    });
    found.collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Value) -> Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source })
    }

    fn needs(name: &str, needed: &[(&str, Value)]) -> Value {
        let kinds = |kind: &Value| json!([{ "kind": kind }]);
        let deps: Vec<_> =
            needed.iter().map(|(name, kind)| json!({ "pkg": name, "dep_kinds": kinds(kind) })).collect();
        json!({ "id": name, "deps": deps })
    }

    #[test]
    fn the_bill_has_what_the_program_is_built_from_and_nothing_of_its_tests() {
        let registry = json!("registry");
        let metadata = json!({
            "packages": [
                package("kew-cli", Value::Null),
                package("used", registry.clone()),
                package("builds", registry.clone()),
                package("tests", registry),
            ],
            "resolve": { "nodes": [
                needs("kew-cli", &[("used", Value::Null), ("tests", json!("dev"))]),
                needs("used", &[("builds", json!("build"))]),
                needs("builds", &[]),
                needs("tests", &[]),
            ] },
        });
        let lock = "[[package]]\nname = \"used\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n";
        let document = Bill::read(&metadata, lock).unwrap().document();
        let names: Vec<_> = list(&document["components"]).map(|part| text(&part["name"])).collect();
        assert_eq!(names, ["builds", "used"]);
        let used = &document["components"][1];
        assert_eq!(used["purl"], "pkg:cargo/used@1.0.0");
        assert_eq!(used["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(used["hashes"][0]["content"], "abc");
        let of_program = &document["dependencies"][1];
        assert_eq!(of_program["ref"], "pkg:cargo/kew-cli@1.0.0");
        assert_eq!(of_program["dependsOn"], json!(["pkg:cargo/used@1.0.0"]));
        assert_eq!(document["metadata"]["component"]["version"], "1.0.0");
    }
}
