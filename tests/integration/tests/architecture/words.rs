//! The code and its documents use the field's words, which a reader searches for.

use crate::assert_none;
use crate::workspace::{Source, sources};

/// What is not written, and what is instead. A word also counts as a part of a name: `was_told`, `Loudness`.
const WORDS: &[(&str, &str)] = &[
    ("goodbye", "close, Close message"),
    ("goodbyes", "closes, Close messages"),
    ("in good order", "cleanly, gracefully"),
    ("lapse", "expire"),
    ("lapsed", "expired"),
    ("lapses", "expires"),
    ("let go of", "drop, release"),
    ("lets go of", "drops, releases"),
    ("loudness", "log level"),
    ("pass over", "skip"),
    ("passed over", "skipped"),
    ("passes over", "skips"),
    ("patience", "timeout"),
    ("told", "notified, sent"),
    ("who is everybody", "all connections, broadcast"),
    ("with word", "with a message, with a notice"),
];

/// This file, which lists them.
const HERE: &str = "tests/integration/tests/architecture/words.rs";

#[test]
fn the_fields_words_are_used() {
    let files = [".rs", ".md"].into_iter().flat_map(sources).filter(|source| source.path != HERE);
    let problems: Vec<String> = files.flat_map(|source| problems(&source)).collect();
    assert_none("words have the meaning and the form that the field knows", &problems);
}

fn problems(source: &Source) -> Vec<String> {
    let words = words(&source.text);
    let mut problems = Vec::new();
    for start in 0..words.len() {
        for (phrase, instead) in WORDS {
            let mut here = words[start..].iter().map(|(_, word)| word.as_str());
            if phrase.split(' ').all(|word| here.next() == Some(word)) {
                let line = words[start].0;
                problems.push(format!("{}:{line}: '{phrase}'; write: {instead}", source.path));
            }
        }
    }
    problems
}

/// The words of a text in lower case, with their lines. Names are taken apart, a comment's lines are one text, and
/// whatever ends a phrase is a word of its own.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut before = ' ';
        for c in line.chars() {
            let begins = !before.is_alphanumeric() || (before.is_lowercase() && c.is_uppercase());
            match words.last_mut() {
                Some((_, word)) if c.is_alphanumeric() && !begins => word.extend(c.to_lowercase()),
                _ if c.is_alphanumeric() => words.push((index + 1, c.to_lowercase().collect())),
                _ if " _/!*`'\"".contains(c) => {}
                _ => words.push((index + 1, c.to_string())),
            }
            before = c;
        }
    }
    words
}

#[test]
fn private_words_are_found() {
    let check = |text: &str, expected: &[&str]| {
        let source = Source { path: "a.rs".into(), text: text.into() };
        let found = problems(&source);
        let found: Vec<&str> = found.iter().map(|problem| problem.split(';').next().unwrap()).collect();
        assert_eq!(found, expected, "{text}");
    };
    check(
        "// It was told.\nlet told_so = Loudness::Goodbye;",
        &["a.rs:1: 'told'", "a.rs:2: 'told'", "a.rs:2: 'loudness'", "a.rs:2: 'goodbye'"],
    );
    check("/// It ends in good\n/// order.", &["a.rs:1: 'in good order'"]);
    check("// What is good. In good. Order collapsed; untold. MANIFOLD let go.of", &[]);
    check("The user's group LAPSES.", &["a.rs:1: 'lapses'"]);
}
