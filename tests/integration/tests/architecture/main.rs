//! What `ARCHITECTURE.md` and `CONTRIBUTING.md` say of the code, checked against the code.
//!
//! One file per rule. Each has the rule's data, its check of the workspace, and a trial of the check on made-up
//! sources, because a check that cannot fail proves nothing.

mod circles;
mod dependencies;
mod imports;
mod levels;
mod map;
mod markdown;
mod modules;
mod names;
mod sizes;
mod words;
mod workspace;

/// Fails with everything that breaks a rule, not only the first.
#[track_caller]
fn assert_none(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}; {} break it:\n{}\n", problems.len(), problems.join("\n"));
}
