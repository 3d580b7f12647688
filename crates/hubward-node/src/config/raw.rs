//! The configuration as it is written, with the types of the fields. It is not checked yet.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// All fields, as one writes them. A test compares them with the types.
pub(super) const FIELDS: [&str; 20] = [
    "redis.url",
    "redis.url_file",
    "redis.mode",
    "redis.addresses",
    "redis.primary",
    "redis.username",
    "redis.password",
    "redis.password_file",
    "redis.sentinel_username",
    "redis.sentinel_password",
    "redis.sentinel_password_file",
    "redis.database",
    "redis.prefix",
    "redis.lease",
    "redis.connect_timeout",
    "redis.response_timeout",
    "redis.tls.enabled",
    "redis.tls.ca_file",
    "redis.tls.certificate_file",
    "redis.tls.key_file",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    /// There are defaults, so that it is never missing.
    pub(super) redis: RawRedis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRedis {
    pub(super) url: Option<Secret>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) mode: Option<Mode>,
    pub(super) addresses: Option<List>,
    pub(super) primary: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) sentinel_username: Option<String>,
    pub(super) sentinel_password: Option<Secret>,
    pub(super) sentinel_password_file: Option<PathBuf>,
    pub(super) database: Option<Number>,
    pub(super) prefix: String,
    pub(super) lease: String,
    pub(super) connect_timeout: String,
    pub(super) response_timeout: String,
    #[serde(default)]
    pub(super) tls: RawTls,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) enabled: Option<Switch>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) certificate_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
}

/// How Redis is set up.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Standalone,
    Sentinel,
    Cluster,
}

/// A password, or a URL that may have one. It cannot be printed or serialized.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(secret: String) -> Self {
        Self(secret)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A list, or a text with commas, as a variable of the environment has it.
pub(super) struct List(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings, or a string with commas")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<List, E> {
        let items = text.split(',').map(|item| item.trim().to_owned());
        Ok(List(items.filter(|item| !item.is_empty()).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(List(list))
    }
}

/// A number from 0 on, or a text that is one.
pub(super) struct Number(pub(super) u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 on")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        let small = u32::try_from(number);
        small.map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        let small = u32::try_from(number);
        small.map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
    }
}

/// True or false, or a text that is one of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchVisitor)
    }
}

struct SwitchVisitor;

impl Visitor<'_> for SwitchVisitor {
    type Value = Switch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<Switch, E> {
        Ok(Switch(is_on))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Switch, E> {
        text.parse().map(Switch).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}
