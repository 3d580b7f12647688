//! No two files import each other, directly or round a circle, so that each can be read with only those below it in
//! mind.
//!
//! What counts is a name of one file that another names, through whatever re-exports. A method that is called on a
//! value names no file: a type's methods may stand in several files, each of which imports the type.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::imports::{Imports, imports};
use crate::modules::modules;
use crate::workspace::{PACKAGES, read};

#[test]
fn no_two_files_import_each_other_round_a_circle() {
    let targets = PACKAGES.iter().flat_map(|package| &package.targets);
    let problems: Vec<String> =
        targets.flat_map(|target| circles(&imports(&modules(&target.path, &read)))).collect();
    assert_none("imports of files go one way", &problems);
}

/// Describes each circle, with what ties it.
fn circles(imports: &Imports) -> Vec<String> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in imports.keys() {
        next.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|file| (*file, reached_from(file, &next))).collect();
    let both_ways =
        |a: &str, b: &str| reached[a].contains(b) && reached.get(b).is_some_and(|r| r.contains(a));
    let circles: BTreeSet<Vec<&str>> = reached
        .keys()
        .filter(|file| both_ways(file, file))
        .map(|file| reached[file].iter().copied().filter(|other| both_ways(file, other)).collect())
        .collect();
    let describe = |circle: Vec<&str>| {
        let ties = imports
            .iter()
            .filter(|((from, to), _)| circle.contains(&from.as_str()) && circle.contains(&to.as_str()));
        let ties = ties.map(|((from, to), names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("\n  {from} -> {to}: {}", names.join(", "))
        });
        format!("a circle of {} files:{}", circle.len(), ties.collect::<String>())
    };
    circles.into_iter().map(describe).collect()
}

fn reached_from<'a>(file: &'a str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(file) = open.pop() {
        open.extend(next.get(file).into_iter().flatten().filter(|next| reached.insert(**next)));
    }
    reached
}

#[cfg(test)]
mod trials {
    //! The check on made-up targets: files with their text, and the ties of the circles that are to be found.

    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let circles = circles(&imports(&modules(files[0].0, &read)));
        let ties: Vec<String> = circles
            .iter()
            .flat_map(|circle| circle.lines().skip(1))
            .map(|tie| tie.trim().to_owned())
            .collect();
        assert_eq!(ties, expected);
    }

    #[test]
    fn files_that_import_each_other_are_found() {
        check(
            &[
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a.rs", "use crate::b::B; pub(crate) struct A(B);"),
                ("src/b.rs", "pub(crate) struct B; fn f(a: super::a::A) {}"),
            ],
            &["src/a.rs -> src/b.rs: B", "src/b.rs -> src/a.rs: A"],
        );
        check(
            &[
                ("src/lib.rs", "mod a; mod b; mod c; use a::A;"),
                ("src/a.rs", "use crate::b; pub(crate) fn a() { b::b() }"),
                ("src/b.rs", "pub(crate) fn b() { assert!(crate::c::c()) }"),
                ("src/c.rs", "use crate::a::a as first; pub(crate) fn c() -> bool { first(); true }"),
            ],
            &["src/a.rs -> src/b.rs: b", "src/b.rs -> src/c.rs: c", "src/c.rs -> src/a.rs: a"],
        );
    }

    #[test]
    fn names_are_followed_through_rooms_globs_and_macros() {
        check(
            &[
                ("src/lib.rs", "mod a; mod room; pub use room::Inner; pub(crate) use a::*;"),
                ("src/a.rs", "use crate::Inner; pub(crate) struct A; impl A { fn f(i: Inner) {} }"),
                ("src/room.rs", "mod inner; mod made; pub use inner::Inner; pub(crate) use made::Made;"),
                ("src/room/inner.rs", "use crate::{A, room::Made}; pub struct Inner(A, Made);"),
                ("src/room/made.rs", "make! { Made } fn f(_: super::inner::Inner) {}"),
            ],
            &[
                "src/a.rs -> src/room/inner.rs: Inner",
                "src/room/inner.rs -> src/a.rs: A",
                "src/room/inner.rs -> src/room/made.rs: Made",
                "src/room/made.rs -> src/room/inner.rs: Inner",
            ],
        );
    }

    #[test]
    fn parents_that_use_their_children_and_are_used_by_them_are_found() {
        check(
            &[
                ("src/lib.rs", "mod a;"),
                ("src/a.rs", "mod b; pub use b::B; pub(crate) struct A(B);"),
                ("src/a/b.rs", "use super::A; pub struct B(A);"),
            ],
            &["src/a.rs -> src/a/b.rs: B", "src/a/b.rs -> src/a.rs: A"],
        );
    }

    #[test]
    fn declarations_re_exports_and_tests_tie_nothing() {
        check(
            &[
                ("src/lib.rs", "mod a; pub(crate) mod b; pub use a::A; #[cfg(test)] mod tests;"),
                (
                    "src/a.rs",
                    "pub struct A; #[cfg(test)] mod tests { use crate::b::B; } #[test] fn t() { crate::b::b() }",
                ),
                (
                    "src/b.rs",
                    "use crate::{a, A}; pub(crate) struct B; pub(crate) fn b(a: A) { let a = a::A; }",
                ),
                ("src/tests.rs", "use crate::b::B; pub(crate) struct T;"),
            ],
            &[],
        );
    }
}
