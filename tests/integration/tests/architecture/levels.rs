//! The crate table of `ARCHITECTURE.md` is what cargo says: levels, and who owns which heavy dependency.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::markdown::sections;
use crate::workspace::{PACKAGES, read};

/// A row of the table.
struct Row {
    level: u8,
    name: String,
    owns: Vec<String>,
}

/// Crates with those that they depend on, development left out.
type Dependencies = BTreeMap<String, BTreeSet<String>>;

fn table(text: &str) -> Vec<Row> {
    let sections = sections(text);
    let rows = sections.iter().flat_map(|section| &section.lines).filter_map(|line| line.cells());
    let rows = rows.filter_map(|cells| {
        let [level, name, _, owns] = cells[..] else { return None };
        let names = owns.split(',').map(|name| name.trim().trim_matches('`').to_owned());
        Some(Row {
            level: level.parse().ok()?,
            name: name.trim_matches('`').to_owned(),
            owns: names.filter(|name| !name.is_empty()).collect(),
        })
    });
    rows.collect()
}

fn dependencies() -> Dependencies {
    let of = |package: &crate::workspace::Package| {
        let dependencies = package.dependencies.iter().filter(|dependency| !dependency.is_for_tests);
        dependencies.map(|dependency| dependency.name.clone()).collect()
    };
    PACKAGES.iter().map(|package| (package.name.clone(), of(package))).collect()
}

fn the_table() -> Vec<Row> {
    table(&read("ARCHITECTURE.md").unwrap())
}

#[test]
fn the_table_lists_exactly_the_crates_that_there_are() {
    let listed: BTreeSet<String> = the_table().into_iter().map(|row| row.name).collect();
    assert_eq!(listed, dependencies().into_keys().collect());
}

#[test]
fn dependencies_point_down_and_never_sideways() {
    assert_none("a crate depends on lower levels only", &sideways(&the_table(), &dependencies()));
}

#[test]
fn a_heavy_dependency_belongs_to_those_whose_row_says_so() {
    assert_none("the column 'owns' is true", &not_owned(&the_table(), &dependencies()));
}

fn sideways(table: &[Row], dependencies: &Dependencies) -> Vec<String> {
    let levels: BTreeMap<&str, u8> = table.iter().map(|row| (row.name.as_str(), row.level)).collect();
    let level = |name: &str| levels.get(name).copied();
    let pairs = dependencies.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    let wrong = pairs.filter(|(from, to)| level(to).is_some_and(|to| Some(to) >= level(from)));
    wrong.map(|(from, to)| format!("{from} must not depend on {to}")).collect()
}

/// Finds crates that depend on what others own, and owners that do not depend on it. What several depend on is owned
/// where each of their rows says so.
fn not_owned(table: &[Row], dependencies: &Dependencies) -> Vec<String> {
    let owned: BTreeSet<&String> = table.iter().flat_map(|row| &row.owns).collect();
    let mut problems = Vec::new();
    for name in owned {
        let owners: BTreeSet<&String> =
            table.iter().filter(|row| row.owns.contains(name)).map(|row| &row.name).collect();
        let users: BTreeSet<&String> =
            dependencies.iter().filter(|(_, all)| all.contains(name)).map(|(user, _)| user).collect();
        problems.extend(users.difference(&owners).map(|user| format!("{user} depends on {name}, too")));
        problems.extend(owners.difference(&users).map(|owner| format!("{owner} does not depend on {name}")));
    }
    problems
}

#[test]
fn a_table_that_is_wrong_is_found() {
    let check = |depends: &[(&str, &[&str])], expected: [&[&str]; 2]| {
        let table = table(
            "| level | crate | is | owns |\n|---|---|---|---|\n| 1 | `b` | | x, `y` |\n| 0 | `a` | | |",
        );
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let depends = depends.iter().map(|(name, on)| ((*name).to_owned(), set(on))).collect();
        assert_eq!([sideways(&table, &depends), not_owned(&table, &depends)], expected);
    };
    check(&[("b", &["a", "x", "y"])], [&[], &[]]);
    check(&[("a", &["b"]), ("b", &["x", "y"])], [&["a must not depend on b"], &[]]);
    check(&[("a", &["x"]), ("b", &["x"])], [&[], &["a depends on x, too", "b does not depend on y"]]);
}
