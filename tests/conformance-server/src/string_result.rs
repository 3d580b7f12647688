//! The client result where a string is wanted: a string, or the error that .NET reports for anything else.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A client result.
pub(crate) enum StringResult {
    /// A string or null.
    String(Option<String>),
    /// Not a string, with .NET's error.
    Other(String),
}

impl<'de> Deserialize<'de> for StringResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = deserializer.is_human_readable();
        deserializer.deserialize_any(StringResultVisitor { json })
    }
}

struct StringResultVisitor {
    json: bool,
}

impl StringResultVisitor {
    /// Makes the error. In JSON .NET names the byte position after the first token.
    fn other(self, token: &str) -> StringResult {
        StringResult::Other(if self.json {
            let end = token.len();
            format!(
                "The JSON value could not be converted to System.String. Path: $ | LineNumber: 0 | BytePositionInLine: {end}."
            )
        } else {
            "Deserializing object of the `String` type for 'argument' failed.".into()
        })
    }
}

impl<'de> Visitor<'de> for StringResultVisitor {
    type Value = StringResult;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, string: &str) -> Result<StringResult, E> {
        Ok(StringResult::String(Some(string.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<StringResult, E> {
        Ok(StringResult::String(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<StringResult, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<StringResult, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<StringResult, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<StringResult, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<StringResult, E> {
        Ok(self.other(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<StringResult, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.other("["))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<StringResult, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.other("{"))
    }
}
