//! Which file takes which names from which other file, found by following each path to what defines its end.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Import, Module};

/// From a file, to a file: the names that the first takes from the second.
pub(crate) type Imports = BTreeMap<(String, String), BTreeSet<String>>;

/// How many re-exports may lie between a name and what defines it. More than there are; circles of them end here.
const DEEPEST: usize = 16;

/// Finds all imports. A file that only declares or passes on what another defines takes nothing, and gives nothing.
pub(crate) fn imports(modules: &[Module]) -> Imports {
    let mut imports = Imports::new();
    for (number, module) in modules.iter().enumerate() {
        let imported = module.imports.iter().filter(|import| !import.is_reexport && import.name.is_some());
        for path in imported.map(|import| &import.path).chain(&module.paths) {
            let Some(Found::Item { file, name }) = resolve(modules, number, path, 0) else { continue };
            if file != module.file {
                imports.entry((module.file.clone(), file)).or_default().insert(name);
            }
        }
    }
    imports
}

enum Found {
    Module(usize),
    Item { file: String, name: String },
}

/// Follows a path as it stands in a module. None where it leads out of the target, or nowhere.
fn resolve(modules: &[Module], from: usize, path: &[String], depth: usize) -> Option<Found> {
    let (first, mut rest) = path.split_first()?;
    let mut found = match first.as_str() {
        "crate" => Found::Module(0),
        "self" => Found::Module(from),
        "super" => Found::Module(modules[from].parent?),
        name => look_up(modules, from, name, !rest.is_empty(), depth)?,
    };
    while let (Found::Module(module), Some((name, after))) = (&found, rest.split_first()) {
        found = match name.as_str() {
            "super" => Found::Module(modules[*module].parent?),
            name => look_up(modules, *module, name, !after.is_empty(), depth)?,
        };
        rest = after;
    }
    Some(found)
}

/// Finds a name in a module. `goes_on`: more of the path follows, so that a module is preferred.
fn look_up(modules: &[Module], at: usize, name: &str, goes_on: bool, depth: usize) -> Option<Found> {
    if depth > DEEPEST {
        return None;
    }
    let module = &modules[at];
    let item = || Found::Item { file: module.file.clone(), name: name.to_owned() };
    let child = module.children.get(name).copied().map(Found::Module);
    if goes_on && child.is_some() {
        return child;
    }
    if module.items.contains(name) {
        return Some(item());
    }
    let follow = |import: &Import| resolve(modules, at, &import.path, depth + 1);
    let (named, globs): (Vec<_>, Vec<_>) = module.imports.iter().partition(|import| import.name.is_some());
    let mut named: Vec<Found> =
        named.into_iter().filter(|import| import.name.as_deref() == Some(name)).filter_map(follow).collect();
    named.sort_by_key(|found| matches!(found, Found::Module(_)) != goes_on);
    if let Some(found) = named.into_iter().next() {
        return Some(found);
    }
    if child.is_some() {
        return child;
    }
    let through_globs = globs.into_iter().find_map(|import| match follow(import)? {
        Found::Module(module) if module != at => look_up(modules, module, name, goes_on, depth + 1),
        _ => None,
    });
    through_globs.or_else(|| module.given_to_macros.contains(name).then(item))
}
