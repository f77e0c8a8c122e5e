//! `cargo xtask test`: everything that must hold, in one command.

use std::path::Path;

use crate::program::Program;
use crate::rings::{Count, Rings};
use crate::tally::Tally;
use crate::workspace::{self, Workspace};
use crate::{fuzz, install, say, tidy, unit};

/// How the tests call what a simulated disk went through.
const CRASHES: &str = "crashes of the simulated disk";

/// Installs what is missing and runs every ring.
///
/// # Errors
/// When something cannot be installed, or a ring fails.
pub(crate) fn run() -> anyhow::Result<()> {
    install::everything()?;
    let kew = Workspace::read()?.target_folder().join("release").join("kew");
    let mut rings = Rings::default();
    rings.run("format", || silent(&Program::new(&["cargo", "fmt", "--all", "--check"])));
    rings.run("lints", || {
        let clippy = ["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        silent(&Program::new(&clippy))
    });
    rings.run("tidy", || tidy::run().map(|()| Count::default()));
    rings.run("systemd unit", unit::check);
    let mut tally = Tally::default();
    rings
        .run("tests", || Program::new(&["cargo", "test", "--workspace", "--no-fail-fast"]).tally(&mut tally));
    rings.run("bad input: corpus", fuzz::replay);
    rings.run("bad input: search", search);
    rings.run("documentation", || {
        let doc = Program::new(&["cargo", "doc", "--workspace", "--no-deps"]);
        silent(&doc.variable("RUSTDOCFLAGS", "-D warnings"))
    });
    rings.run("release build", || {
        silent(&Program::new(&["cargo", "build", "--release", "--package", "kew-cli"]))
    });
    rings.run("OpenAPI", || python("openapi", &kew).count());
    rings.run("official client: Python", || python("python", &kew).count());
    rings.run("official client: TypeScript", || node("typescript", &kew).count());
    rings.run("official client: wrangler", || node("wrangler", &kew).count());
    say::line(&format!("\n{tally}\n{:>12}  crashes of the simulated disk in all", tally.sum(CRASHES)));
    rings.report()
}

fn silent(program: &Program) -> anyhow::Result<Count> {
    program.run().map(|()| Count::default())
}

/// Searches every target for a moment; each is a test that passed.
fn search() -> anyhow::Result<Count> {
    let program = fuzz::build()?;
    fuzz::search(&program, fuzz::RING)?;
    Ok(Count { passed: fuzz::targets()?.len() as u64, failed: 0 })
}

/// The suite in a folder of `conformance` that runs on Python.
fn python(name: &str, kew: &Path) -> Program {
    let interpreter = install::python(name).to_string_lossy().into_owned();
    let folder = workspace::root().join("conformance").join(name);
    Program::new(&[&interpreter, "-B", "run.py"]).within(&folder).variable("KEW_BINARY", kew)
}

/// The suite in a folder of `conformance` that runs on node.
fn node(name: &str, kew: &Path) -> Program {
    let folder = workspace::root().join("conformance").join(name);
    let words = ["node", "--test", "--test-reporter=tap", "--test-concurrency=1", "--test-timeout=120000"];
    Program::new(&words).within(&folder).variable("KEW_BINARY", kew)
}
