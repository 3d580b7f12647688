//! Holds the crate table of `ARCHITECTURE.md` against what cargo says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Crate and level, for each row of the table.
fn table() -> BTreeMap<String, u8> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let level = cells.next()?.trim().parse().ok()?;
            Some((cells.next()?.trim().trim_matches('`').to_owned(), level))
        })
        .collect()
}

/// Crate and its dependencies within the workspace, development ones left out.
fn workspace() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let names: Vec<String> = packages.iter().map(name).collect();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null())
            .map(name)
            .filter(|n| names.contains(n))
            .collect()
    };
    packages.iter().map(|package| (name(package), dependencies(package))).collect()
}

#[test]
fn the_table_lists_exactly_the_crates_that_there_are() {
    assert_eq!(table().into_keys().collect::<Vec<_>>(), workspace().into_keys().collect::<Vec<_>>());
}

#[test]
fn dependencies_point_down_and_never_sideways() {
    let levels = table();
    for (name, dependencies) in workspace() {
        for dependency in dependencies {
            assert!(
                levels[&dependency] < levels[&name],
                "{name} (level {}) must not depend on {dependency} (level {})",
                levels[&name],
                levels[&dependency],
            );
        }
    }
}
