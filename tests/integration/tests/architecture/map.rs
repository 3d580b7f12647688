//! The map is true: each room of the code is in it, and what it names exists.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::markdown::{Section, sections};
use crate::workspace::{PACKAGES, paths, read};

/// The heading of the table that a newcomer's changes are found by.
const CHANGES: &str = "Where to change what";

/// The changes that a newcomer is to find, at least.
const CHANGE_ROWS: usize = 10;

fn map() -> Map {
    Map {
        sections: sections(&read("ARCHITECTURE.md").unwrap()),
        crates: PACKAGES.iter().map(|package| (package.name.clone(), package.folder.clone())).collect(),
        paths: paths(),
    }
}

#[test]
fn each_room_is_named_in_its_crates_section() {
    assert_none("each folder of a crate's `src` is in ARCHITECTURE.md, as `folder/`", &map().missing_rooms());
}

#[test]
fn each_path_that_the_map_names_exists() {
    assert_none(
        "a path in ARCHITECTURE.md is one from the root, from `crates/`, or of the section's crate",
        &map().dead_paths(),
    );
}

#[test]
fn the_table_of_changes_leads_to_files() {
    assert_none(&format!("ARCHITECTURE.md ends with a table '{CHANGES}'"), &map().change_problems());
}

struct Map {
    sections: Vec<Section>,
    /// Name and folder of each crate.
    crates: Vec<(String, String)>,
    /// All files and folders; the latter end with a slash.
    paths: BTreeSet<String>,
}

impl Map {
    fn missing_rooms(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, folder) in &self.crates {
            let source = format!("{folder}/src/");
            let section = self.sections.iter().filter(|section| section.title == *name);
            let named: Vec<String> =
                section.flat_map(|section| &section.lines).flat_map(|line| line.paths()).collect();
            let rooms = self.paths.iter().filter_map(|path| path.strip_prefix(&source));
            for room in rooms.filter(|path| path.ends_with('/') && self.is_room(&format!("{source}{path}"))) {
                if !named.iter().any(|named| named.ends_with('/') && is_end_of(named, room)) {
                    missing.push(format!("{name}: `{room}`"));
                }
            }
        }
        missing
    }

    /// A folder that has Rust files other than tests.
    fn is_room(&self, folder: &str) -> bool {
        let files = self.paths.iter().filter_map(|path| path.strip_prefix(folder));
        let mut files = files.filter(|file| file.ends_with(".rs") && !file.contains('/'));
        !folder.ends_with("/tests/") && files.any(|file| file != "tests.rs")
    }

    fn dead_paths(&self) -> Vec<String> {
        let mut dead = Vec::new();
        for section in &self.sections {
            let folder = self.folder(section);
            // Outside of a crate's section, what is fenced is a drawing.
            for line in section.lines.iter().filter(|line| folder.is_some() || !line.is_fenced) {
                let paths = line.paths().into_iter().filter(|path| !self.exists(path, folder));
                dead.extend(paths.map(|path| format!("ARCHITECTURE.md:{}: `{path}`", line.number)));
            }
        }
        dead
    }

    /// The folder that a section is about: a crate's, or its own title where that is one.
    fn folder<'a>(&'a self, section: &'a Section) -> Option<&'a str> {
        let of_crate = self.crates.iter().find(|(name, _)| *name == section.title);
        let folder = || section.title.strip_suffix('/');
        of_crate.map(|(_, folder)| folder.as_str()).or_else(folder)
    }

    /// Whether there is such a path, or just one that ends so in the section's folder.
    fn exists(&self, path: &str, folder: Option<&str>) -> bool {
        let is = |path: &str| self.paths.contains(path) || self.paths.contains(&format!("{path}/"));
        let Some(folder) = folder else { return is(path) || is(&format!("crates/{path}")) };
        let (below, slashed) = (format!("{folder}/"), format!("{path}/"));
        let ending = |candidate: &&String| {
            candidate.starts_with(&below) && (is_end_of(path, candidate) || is_end_of(&slashed, candidate))
        };
        let is_direct =
            [path, &format!("{folder}/{path}"), &format!("{folder}/src/{path}")].into_iter().any(is);
        is_direct || self.paths.iter().filter(ending).count() == 1
    }

    fn change_problems(&self) -> Vec<String> {
        let Some(section) = self.sections.iter().find(|section| section.title == CHANGES) else {
            return vec!["there is no such heading".to_owned()];
        };
        let rows: Vec<_> = section.lines.iter().filter(|line| line.cells().is_some()).skip(1).collect();
        let pathless = rows.iter().filter(|row| row.paths().is_empty());
        let mut problems: Vec<String> =
            pathless.map(|row| format!("ARCHITECTURE.md:{}: names no path", row.number)).collect();
        if rows.len() < CHANGE_ROWS {
            problems.push(format!("it has {} rows instead of {CHANGE_ROWS} or more", rows.len()));
        }
        problems
    }
}

/// Whether a path ends with these whole names.
fn is_end_of(end: &str, path: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod trials {
    //! The checks on made-up maps of one crate, `a`.

    use super::*;

    const FILES: &[&str] = &[
        "README.md",
        "crates/a/src/lib.rs",
        "crates/a/src/room/x.rs",
        "crates/a/src/room/deep/x.rs",
        "crates/a/src/room/deep/y.rs",
        "crates/a/src/room/tests.rs",
        "crates/a/src/lib/tests.rs",
        "crates/a/src/lib/tests/one.rs",
        "crates/a/fuzz/one.rs",
    ];

    fn map(text: &str) -> Map {
        let mut paths = BTreeSet::new();
        for file in FILES {
            paths.insert((*file).to_owned());
            paths.extend(file.match_indices('/').map(|(at, _)| file[..=at].to_owned()));
        }
        Map { sections: sections(text), crates: vec![("a".into(), "crates/a".into())], paths }
    }

    #[test]
    fn rooms_that_the_map_leaves_out_are_found() {
        let check = |text: &str, expected: &[&str]| assert_eq!(map(text).missing_rooms(), expected, "{text}");
        check("", &["a: `room/`", "a: `room/deep/`"]);
        check("**`a`**: `room/` and, in it, `deep/`.", &[]);
        check("### `a`\n\nIts `room/` and `room/deep/`.", &[]);
        check("### `a`\n```text\nroom/  room/deep/\n```", &[]);
        check("**`a`**: `room/`.\n\n**`b`**: `deep/`.", &["a: `room/deep/`"]);
        check("**`a`**: a room/, and `broom/`, `room/x.rs`.", &["a: `room/`", "a: `room/deep/`"]);
    }

    #[test]
    fn paths_that_do_not_exist_are_found() {
        let check = |text: &str, expected: &[&str]| assert_eq!(map(text).dead_paths(), expected, "{text}");
        check("`README.md`, `crates/a/src/lib.rs` and `a/src/lib.rs`", &[]);
        check("`lib.rs`", &["ARCHITECTURE.md:1: `lib.rs`"]);
        check("**`a`**: `lib.rs`, `room/x.rs`, `y.rs`, `deep/`, `fuzz/`, `README.md`", &[]);
        check("\n**`a`**: `none.rs`, `x.rs`", &["ARCHITECTURE.md:2: `none.rs`", "ARCHITECTURE.md:2: `x.rs`"]);
        check("```text\nnone/drawn\n```", &[]);
        check("**`a`**:\n```text\nnone.rs\n```", &["ARCHITECTURE.md:3: `none.rs`"]);
        check("**`crates/`**: `a/` and `b/`", &["ARCHITECTURE.md:1: `b/`"]);
    }

    #[test]
    fn a_table_of_changes_that_leads_nowhere_is_found() {
        let check = |rows: &str, expected: &[&str]| {
            let text = format!("## {CHANGES}\n\n| change | where |\n|---|---|\n{rows}");
            assert_eq!(map(&text).change_problems(), expected);
        };
        check(&"| a | `crates/a/src/lib.rs` |\n".repeat(10), &[]);
        check(
            "| a | somewhere |\n",
            &["ARCHITECTURE.md:5: names no path", "it has 1 rows instead of 10 or more"],
        );
        assert_eq!(map("## Else").change_problems(), ["there is no such heading"]);
    }
}
