//! What a crate depends on, its code uses: a dependency that nothing needs still costs each build.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::workspace::{PACKAGES, Package, Source, read, sources};

/// Folders of a crate whose code may use what is for tests only.
const FOR_TESTS: &[&str] = &["src/", "tests/", "benches/", "examples/"];

/// The pages whose examples are compiled as tests of `hubward`.
const PAGES: &str = "docs/";

#[test]
fn each_dependency_is_used() {
    let files: Vec<Source> = [".rs", ".md"].into_iter().flat_map(sources).collect();
    let problems: Vec<String> = PACKAGES.iter().flat_map(|package| unused(package, &files)).collect();
    assert_none("each dependency is used, and in `src` unless it is for tests only", &problems);
}

#[test]
fn each_dependency_of_the_workspace_belongs_to_a_member() {
    let named = PACKAGES.iter().flat_map(|package| &package.dependencies);
    let named: BTreeSet<&str> = named.map(|dependency| dependency.name.as_str()).collect();
    let manifest = read("Cargo.toml").unwrap();
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let declared = lines.filter_map(|line| Some(line.split_once(" = ")?.0));
    let unnamed: Vec<String> = declared.filter(|name| !named.contains(name)).map(str::to_owned).collect();
    assert_none("each of [workspace.dependencies] is some member's", &unnamed);
}

fn unused(package: &Package, files: &[Source]) -> Vec<String> {
    let is_in = |file: &Source, folder: &str| file.path.starts_with(&format!("{}/{folder}", package.folder));
    let is_used = |name: &str, is_for_tests: bool| {
        let files = files.iter().filter(|file| match is_for_tests {
            false => is_in(file, "src/"),
            true => FOR_TESTS.iter().any(|folder| is_in(file, folder)) || file.path.starts_with(PAGES),
        });
        let name = name.replace('-', "_");
        files.into_iter().any(|file| uses(&file.text, &name))
    };
    let unused = package.dependencies.iter().filter(|dep| !is_used(&dep.name, dep.is_for_tests));
    unused.map(|dependency| format!("{}: {}", package.name, dependency.name)).collect()
}

/// Whether a text names a crate as code does: before `::`, or in a `use` of its own.
fn uses(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.';
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let begins = !before.ends_with(is_name) || before.ends_with("(::") || before.ends_with(" ::");
        let is_imported = before.ends_with("use ") && [";", " as "].iter().any(|end| after.starts_with(end));
        (begins && after.starts_with("::")) || is_imported
    })
}

#[test]
fn a_use_is_distinguished_from_a_mention() {
    for (text, is_used) in [
        ("use serde::Serialize;", true),
        ("use serde;", true),
        ("pub use serde as ser;", true),
        ("fn f(a: impl serde::Serialize) {}", true),
        ("/// let _ = serde::de();", true),
        ("// The serde: it is not needed.", false),
        ("use serde_json::Value;", false),
        ("use my_serde::Value;", false),
        ("use crate::serde::Value;", false),
    ] {
        assert_eq!(uses(text, "serde"), is_used, "{text}");
    }
}

#[test]
fn what_is_used_elsewhere_only_is_found() {
    use crate::workspace::Dependency;

    let check = |path: &str, is_for_tests: bool, expected: &[&str]| {
        let dependencies = vec![Dependency { name: "my-dep".into(), is_for_tests }];
        let package =
            Package { name: "a".into(), folder: "crates/a".into(), dependencies, targets: Vec::new() };
        let file = Source { path: path.into(), text: "use my_dep::Thing;".into() };
        assert_eq!(unused(&package, &[file]), expected, "{path}");
    };
    check("crates/a/src/b.rs", false, &[]);
    check("crates/a/tests/b.rs", false, &["a: my-dep"]);
    check("crates/a/tests/b.rs", true, &[]);
    check("crates/ab/src/b.rs", false, &["a: my-dep"]);
    check("docs/guide/b.md", true, &[]);
}
