//! The workspace as cargo and the file system know it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &[".git", "node_modules", "target"];

/// The root of the repository.
pub(crate) static ROOT: LazyLock<PathBuf> =
    LazyLock::new(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap());

/// The members of the workspace.
pub(crate) static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(|| {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(&*ROOT)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(Package::read).collect()
});

/// A member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, relative to the root.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The first file of each target: its library, programs, tests, examples and benchmarks.
    pub(crate) targets: Vec<Target>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) is_for_tests: bool,
}

pub(crate) struct Target {
    pub(crate) is_library: bool,
    /// Relative to the root.
    pub(crate) path: String,
}

impl Package {
    fn read(package: &Value) -> Self {
        let list = |name: &str| package[name].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let relative = |value: &Value| relative(Path::new(value.as_str().unwrap()));
        Self {
            name: text(&package["name"]),
            folder: relative(&package["manifest_path"]).trim_end_matches("/Cargo.toml").to_owned(),
            dependencies: list("dependencies")
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    is_for_tests: dependency["kind"] == "dev",
                })
                .collect(),
            targets: list("targets")
                .map(|target| Target {
                    is_library: target["kind"] == serde_json::json!(["lib"]),
                    path: relative(&target["src_path"]),
                })
                .collect(),
        }
    }
}

/// A file of the repository.
pub(crate) struct Source {
    /// Relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All files and folders, relative to the root; folders end with a slash.
pub(crate) fn paths() -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect(&ROOT, &mut paths);
    paths
}

/// All files whose names end like this, in order.
pub(crate) fn sources(ending: &str) -> Vec<Source> {
    let paths = paths().into_iter().filter(|path| path.ends_with(ending));
    paths.map(|path| Source { text: read(&path).unwrap(), path }).collect()
}

/// Reads a file of the repository, where there is one.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(ROOT.join(path)).ok()
}

fn collect(folder: &Path, paths: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if FOREIGN.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            paths.insert(format!("{}/", relative(&path)));
            collect(&path, paths);
        } else {
            paths.insert(relative(&path));
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(&*ROOT).unwrap().to_string_lossy().into_owned()
}
