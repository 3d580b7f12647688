//! A source of configuration, and what it says.

use std::ffi::OsString;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::mounted_file;
use super::problem::{ConfigError, Problem};
use super::raw::FIELDS;

/// What the names of environment variables begin with.
const PREFIX: &str = "HUBWARD_";
/// No field is in more sections than this, so that a variable's name cannot make a tree of any depth.
const DEEPEST: usize = 4;

/// One source, with its values.
pub(super) struct Layer {
    name: String,
    values: Dict,
}

impl Layer {
    /// Reads a file. Errors do not quote it: it may have passwords.
    pub(super) fn file(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let problem = |text: String| ConfigError::from(Problem::of_source(name.clone(), text));
        let text = mounted_file::read_text(path).map_err(&problem)?;
        let values = if path.extension().is_some_and(|extension| extension == "json") {
            serde_json::from_str(&text)
                .map_err(|error| problem(format!("it is no JSON: {}", place(&error))))?
        } else {
            toml::from_str(&text).map_err(|error| {
                let line = error.span().and_then(|span| text.get(..span.start)).map_or(0, line_at_end);
                problem(format!("it is no TOML: {} in line {line}", error.message()))
            })?
        };
        Ok(Self { name, values })
    }

    /// Takes the variables whose names have a section and a field, such as `HUBWARD_REDIS__URL`: one layer for each, so that
    /// an error can name it. Their values are texts: a password of digits is no number.
    pub(super) fn environment(variables: Vec<(OsString, OsString)>) -> Result<Vec<Self>, ConfigError> {
        let mut layers = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let problem =
                |text: &str| ConfigError::from(Problem::of_source(name.to_owned(), text.to_owned()));
            if !rest.contains("__") {
                // Kubernetes sets HUBWARD_REDIS_PORT and others by itself, so that only what is a field is a mistake.
                if let Some(meant) =
                    FIELDS.iter().find(|field| field.replace('.', "_").eq_ignore_ascii_case(rest))
                {
                    let meant = meant.to_ascii_uppercase().replace('.', "__");
                    return Err(problem(&format!("write it with two underscores, {PREFIX}{meant}")));
                }
                continue;
            }
            let field = rest.to_ascii_lowercase().replace("__", ".");
            if field.matches('.').count() > DEEPEST {
                return Err(problem("there is no such field"));
            }
            let value = value.into_string().map_err(|_| problem("it is not UTF-8"))?;
            layers.push(Self::fields(name, &[(&field, &value)]));
        }
        Ok(layers)
    }

    /// Takes fields with their values.
    pub(super) fn fields(name: &str, fields: &[(&str, &str)]) -> Self {
        let mut values = Dict::new();
        for (field, value) in fields {
            insert(&mut values, field, value);
        }
        Self { name: name.to_owned(), values }
    }

    /// Whether it says anything of a section.
    pub(super) fn has(&self, section: &str) -> bool {
        self.values.contains_key(section)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

fn insert(values: &mut Dict, field: &str, value: &str) {
    let Some((section, rest)) = field.split_once('.') else {
        values.insert(field.to_owned(), Value::from(value));
        return;
    };
    let inner = values.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

fn line_at_end(text: &str) -> usize {
    text.matches('\n').count() + 1
}

/// What the library says of an error may quote a value.
fn place(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Syntax => "a mistake",
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is no object",
    };
    format!("{kind} in line {}, column {}", error.line(), error.column())
}
