//! One name means one thing: no two types that several files see have the same name, anywhere in the libraries.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::modules::{Module, modules};
use crate::workspace::{PACKAGES, read};

/// Names that two files may have, and why.
const ALLOWED: &[(&str, &str)] = &[("Malformed", SIBLINGS), ("Reader", SIBLINGS), ("Scanner", SIBLINGS)];

const SIBLINGS: &str = "`json/` and `messagepack/` of hubward-proto have the same files with the same items";

#[test]
fn one_name_means_one_thing() {
    let targets = PACKAGES.iter().flat_map(|package| &package.targets).filter(|target| target.is_library);
    let modules: Vec<Module> = targets.flat_map(|target| modules(&target.path, &read)).collect();
    assert_none("types that several files see have different names", &problems(&modules, ALLOWED));
}

fn problems(modules: &[Module], allowed: &[(&str, &str)]) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for module in modules {
        for defined in module.types.iter().filter(|defined| defined.is_shared) {
            files.entry(&defined.name).or_default().push(&module.file);
        }
    }
    files.retain(|_, files| files.len() > 1);
    let is_allowed = |name: &str| allowed.iter().any(|(allowed, _)| *allowed == name);
    let twice = files.iter().filter(|(name, _)| !is_allowed(name));
    let twice = twice.map(|(name, files)| format!("{name}: {}", files.join(", ")));
    let idle = allowed.iter().filter(|(name, _)| !files.contains_key(name));
    let idle = idle.map(|(name, _)| format!("{name}: allowed twice, but it is unique"));
    twice.chain(idle).collect()
}

#[test]
fn a_name_with_two_meanings_is_found() {
    let check = |text: &str, allowed: &[(&str, &str)], expected: &[&str]| {
        let modules = modules("a.rs", &|path| (path == "a.rs").then(|| text.to_owned()));
        assert_eq!(problems(&modules, allowed), expected);
    };
    let twice = "pub struct Link; mod b { pub(crate) enum Link {} }";
    check(twice, &[], &["Link: a.rs, a.rs"]);
    check(twice, &[("Link", "two are needed")], &[]);
    check(
        "pub struct Link; mod b { pub trait Link {} } mod c { pub type Link = u8; }",
        &[],
        &["Link: a.rs, a.rs, a.rs"],
    );
    check("pub struct Link; mod b { struct Link; } #[cfg(test)] mod c { pub struct Link; }", &[], &[]);
    check("pub struct Link;", &[("Link", "")], &["Link: allowed twice, but it is unique"]);
}
