//! The claims of a bearer token whose signature is valid: read within bounds, flattened to names and values.
//! Whether they are acceptable is decided in `verify.rs`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::error::BearerTokenError;

/// How many values the claims of a token may have in all. An identity provider sends some thirty; every value
/// is kept for as long as its connection lives.
pub(super) const MAX_CLAIM_VALUES: usize = 256;

/// The first second that no token may name: the start of the year 10000, where other libraries stop as well. It
/// also rules out a time in milliseconds, which would make a token that never expires.
pub(super) const END_OF_TIME_SECONDS: u64 = 253_402_300_800;

/// The claims in the token's order. No name occurs twice: two libraries would read such a token in two ways.
pub(super) struct Claims(Vec<(String, Value)>);

impl Claims {
    /// Reads the JSON of a token's middle part. Its nesting is bounded by the reader, its size by the
    /// token's.
    pub(super) fn parse(json: &[u8]) -> Result<Self, BearerTokenError> {
        let claims: Self = serde_json::from_slice(json).map_err(|_| BearerTokenError::Malformed)?;
        let values = claims.0.iter().map(|(_, value)| value.as_array().map_or(1, |items| items.len().max(1)));
        if values.sum::<usize>() > MAX_CLAIM_VALUES {
            return Err(BearerTokenError::TooManyClaims);
        }
        Ok(claims)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns a claim that is a string.
    pub(super) fn string(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// Returns the strings of a claim that is a string or a list.
    pub(super) fn strings(&self, name: &str) -> impl Iterator<Item = &str> {
        items(self.value(name)).filter_map(Value::as_str)
    }

    /// Returns a time, in whole seconds since 1970. RFC 7519 allows fractions, which are cut off; a time
    /// before 1970 counts as 1970.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<u64>, BearerTokenError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let seconds = match value {
            Value::Number(number) => {
                number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64))
            }
            _ => None,
        };
        match seconds {
            Some(seconds) if seconds < END_OF_TIME_SECONDS => Ok(Some(seconds)),
            _ => Err(BearerTokenError::Malformed),
        }
    }

    /// Returns the values of a claim as strings.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = String> {
        items(self.value(name)).filter_map(value_string)
    }

    /// Returns every claim with its value as a string: one pair for each item of a list; numbers, booleans
    /// and objects as JSON; nothing for null.
    pub(super) fn all_values(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().flat_map(|(name, value)| {
            items(Some(value)).filter_map(value_string).map(move |value| (name.as_str(), value))
        })
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    // One more than allowed is kept, so that `parse` sees that there are too many.
                    if claims.len() <= MAX_CLAIM_VALUES {
                        if claims.iter().any(|(known, _)| *known == name) {
                            return Err(A::Error::custom("a claim occurs twice"));
                        }
                        claims.push((name, value));
                    }
                }
                Ok(Claims(claims))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = value.and_then(Value::as_array).map(Vec::as_slice);
    let one = if list.is_some() { None } else { value };
    list.unwrap_or_default().iter().chain(one)
}

fn value_string(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(string) => Some(string.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(json: &str) -> Vec<(String, String)> {
        let claims = Claims::parse(json.as_bytes()).unwrap();
        claims.all_values().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn check(json: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(flat(json), expected, "{json}");
    }

    #[test]
    fn claims_become_strings_in_their_order() {
        check(r#"{"z":"1","a":"2"}"#, &[("z", "1"), ("a", "2")]);
        check(r#"{"role":["nurse","doctor"]}"#, &[("role", "nurse"), ("role", "doctor")]);
        check(r#"{"n":7,"f":1.5,"b":true,"no":null}"#, &[("n", "7"), ("f", "1.5"), ("b", "true")]);
        check(
            r#"{"o":{"a":[1]},"l":[{"x":1},[2],null,3]}"#,
            &[("o", r#"{"a":[1]}"#), ("l", r#"{"x":1}"#), ("l", "[2]"), ("l", "3")],
        );
        check(r#"{"empty":[]}"#, &[]);
        check("{}", &[]);
    }

    #[test]
    fn what_is_not_an_object_of_claims_is_malformed() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
        for json in ["", "null", "[]", "7", "{", r#"{"a":1}x"#, r#"{"a":1,"a":2}"#, "\u{feff}{}", &deep] {
            assert_eq!(Claims::parse(json.as_bytes()).err(), Some(BearerTokenError::Malformed), "{json:.40}");
        }
        assert_eq!(Claims::parse(b"{\"a\":\"\xff\"}").err(), Some(BearerTokenError::Malformed));
    }

    #[test]
    fn more_than_256_values_are_too_many_however_they_are_arranged() {
        let names = |count: usize| {
            let claims: Vec<_> = (0..count).map(|i| format!("\"c{i}\":1")).collect();
            format!("{{{}}}", claims.join(","))
        };
        let list = |count: usize| format!("{{\"c\":[{}]}}", vec!["1"; count].join(","));
        let empties = |count: usize| names(count).replace(":1", ":[]");
        for make in [&names as &dyn Fn(usize) -> String, &list, &empties] {
            assert!(Claims::parse(make(256).as_bytes()).is_ok());
            assert_eq!(Claims::parse(make(257).as_bytes()).err(), Some(BearerTokenError::TooManyClaims));
            assert_eq!(Claims::parse(make(3000).as_bytes()).err(), Some(BearerTokenError::TooManyClaims));
        }
    }

    #[test]
    fn times_are_whole_seconds_within_reason() {
        let seconds =
            |seconds: &str| Claims::parse(format!("{{\"t\":{seconds}}}").as_bytes()).unwrap().seconds("t");
        assert_eq!(seconds("1700000000"), Ok(Some(1_700_000_000)));
        assert_eq!(seconds("1700000000.9"), Ok(Some(1_700_000_000)));
        assert_eq!(seconds("1.7e9"), Ok(Some(1_700_000_000)));
        assert_eq!(seconds("-5"), Ok(Some(0)));
        assert_eq!(seconds("253402300799"), Ok(Some(END_OF_TIME_SECONDS - 1)));
        for bad in ["253402300800", "1700000000000000", "1e300", "\"1700000000\"", "null", "[1]", "true"] {
            assert_eq!(seconds(bad), Err(BearerTokenError::Malformed), "{bad}");
        }
    }
}
