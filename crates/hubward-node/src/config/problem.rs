//! What is wrong with a configuration: which field, where it was set, and what to do. No value of a field that could be a
//! secret is part of it.

use std::fmt;

use figment::Figment;
use figment::error::Kind;

/// Something wrong, with the fields that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    fields: Vec<String>,
    /// Where it was found, of what is in no field.
    source: Option<String>,
    text: String,
}

impl Problem {
    pub(super) fn new(fields: &[&str], text: impl Into<String>) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { fields, source: None, text: text.into() }
    }

    /// A source as a whole is wrong.
    pub(super) fn of_source(source: String, text: String) -> Self {
        Self { fields: Vec::new(), source: Some(source), text }
    }

    /// What the fields' types do not allow. The library's own texts quote values, which may be secrets.
    pub(super) fn all_of(error: figment::Error) -> Vec<Self> {
        error.into_iter().map(Self::of_type).collect()
    }

    fn of_type(error: figment::Error) -> Self {
        let mut path = error.path.clone();
        let text = match error.kind {
            Kind::UnknownField(name, known) => {
                if path.last() != Some(&name) {
                    path.push(name);
                }
                let verb = if known.len() == 1 { "is" } else { "are" };
                format!("there is no such field; there {verb} {}", known.join(", "))
            }
            Kind::UnknownVariant(_, known) => format!("it must be one of {}", known.join(", ")),
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("it must be {}", expectation(&expected))
            }
            _ => "it cannot be read; compare it with the guide's page 'Several nodes'".to_owned(),
        };
        // Items of a list have numbers.
        path.retain(|part| part.parse::<usize>().is_err());
        Self { fields: vec![path.join(".")], source: None, text }
    }
}

/// The library names Rust's types.
fn expectation(expected: &str) -> &str {
    match expected {
        "path string" | "a string" | "string" => "a string, in quotes",
        expected if expected.starts_with("struct ") || expected.starts_with("tuple struct ") => {
            "a section with fields"
        }
        expected => expected,
    }
}

/// All that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not valid\n{}", .lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
pub(crate) struct ConfigError {
    lines: Vec<String>,
}

impl ConfigError {
    /// Says where each field was set.
    pub(super) fn new(problems: Vec<Problem>, figment: &Figment) -> Self {
        let shown = |field: &String| match figment.find_metadata(field) {
            Some(source) if source.name == "default" => format!("{field} (the default)"),
            Some(source) => format!("{field} (in {})", source.name),
            None => format!("{field} (not set)"),
        };
        let lines = problems.iter().map(|problem| {
            let fields: Vec<String> = problem.fields.iter().map(shown).collect();
            Line { subject: fields.join(" and "), text: &problem.text }.to_string()
        });
        Self { lines: lines.collect() }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        let subject = problem.source.unwrap_or_default();
        Self { lines: vec![Line { subject, text: &problem.text }.to_string()] }
    }
}

struct Line<'a> {
    subject: String,
    text: &'a str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}
