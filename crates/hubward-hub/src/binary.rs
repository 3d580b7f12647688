//! Bytes as SignalR carries them: a base64 string in JSON, a binary value in MessagePack.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes, encoded as .NET's `byte[]` is.
///
/// ```
/// use hubward_hub::Binary;
///
/// assert_eq!(serde_json::to_string(&Binary(vec![0, 1, 2, 255])).unwrap(), "\"AAEC/w==\"");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary(pub Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Base64)
        } else {
            deserializer.deserialize_bytes(Raw)
        }
    }
}

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Binary;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a base64 string")
    }

    fn visit_str<E: Error>(self, string: &str) -> Result<Binary, E> {
        // .NET skips white space.
        let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let decoded = if string.bytes().any(is_space) {
            STANDARD.decode(string.bytes().filter(|byte| !is_space(*byte)).collect::<Vec<_>>())
        } else {
            STANDARD.decode(string)
        };
        decoded
            .map(Binary)
            .map_err(|_| E::invalid_value(Unexpected::Other("a string that is not base64"), &self))
    }
}

struct Raw;

impl Visitor<'_> for Raw {
    type Value = Binary;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a binary value")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Binary, E> {
        Ok(Binary(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_base64_is_skipped() {
        for json in [r#""AAEC""#, r#"" AA EC\n""#, r#""\tAAEC\r\n""#] {
            assert_eq!(serde_json::from_str::<Binary>(json).unwrap(), Binary(vec![0, 1, 2]), "{json}");
        }
        for json in [r#""AAE""#, r#""AA-_""#, r#""AA\u00a0EC""#] {
            assert!(serde_json::from_str::<Binary>(json).is_err(), "{json}");
        }
    }
}
