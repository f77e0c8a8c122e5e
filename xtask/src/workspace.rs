//! Where things are, and what cargo knows of them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::program;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// What cargo says of the workspace's own packages.
pub(crate) struct Workspace {
    metadata: Value,
}

/// One package of the workspace.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its manifest.
    pub(crate) manifest: PathBuf,
    /// What it depends on: the name, and whether only its tests do.
    pub(crate) dependencies: Vec<(String, bool)>,
}

impl Package {
    /// The names of what it depends on.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().map(|(name, _)| name.as_str())
    }
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo fails or says something that is no JSON.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--quiet"];
        let text = program::output(&command)?;
        Ok(Self { metadata: serde_json::from_str(&text).context("cargo metadata")? })
    }

    /// The packages, by name.
    pub(crate) fn packages(&self) -> Vec<Package> {
        let packages = self.metadata["packages"].as_array();
        let mut packages: Vec<_> = packages.into_iter().flatten().map(package).collect();
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        packages
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_folder(&self) -> PathBuf {
        PathBuf::from(text(&self.metadata["target_directory"]))
    }
}

fn package(value: &Value) -> Package {
    let dependency = |value: &Value| (text(&value["name"]), value["kind"] == "dev");
    let dependencies = value["dependencies"].as_array();
    Package {
        name: text(&value["name"]),
        manifest: PathBuf::from(text(&value["manifest_path"])),
        dependencies: dependencies.into_iter().flatten().map(dependency).collect(),
    }
}

/// A text of what cargo says; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
