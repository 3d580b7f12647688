//! What a client answers where a text is asked for: a text, or what .NET says of anything else.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// An answer.
pub(crate) enum Said {
    /// A text or null.
    Text(Option<String>),
    /// Something else, and why it is no text.
    Other(String),
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = deserializer.is_human_readable();
        deserializer.deserialize_any(Any { json })
    }
}

struct Any {
    json: bool,
}

impl Any {
    /// .NET names the byte behind the first token.
    fn other(self, token: &str) -> Said {
        Said::Other(if self.json {
            let end = token.len();
            format!(
                "The JSON value could not be converted to System.String. Path: $ | LineNumber: 0 | BytePositionInLine: {end}."
            )
        } else {
            "Deserializing object of the `String` type for 'argument' failed.".into()
        })
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Said, E> {
        Ok(Said::Text(Some(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Said, E> {
        Ok(Said::Text(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Said, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Said, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Said, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Said, E> {
        Ok(self.other(&value.to_string()))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Said, E> {
        Ok(self.other(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Said, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.other("["))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Said, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.other("{"))
    }
}
