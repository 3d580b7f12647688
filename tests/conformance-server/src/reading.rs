//! A record as .NET serializes it: camelCase names in JSON, PascalCase names in MessagePack. It is deserialized as .NET
//! does it: in JSON without regard to case, a missing field has its default, an unknown one is skipped, and of two with
//! the same name the later counts.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The reading of a device at a bed.
#[derive(Clone, Default)]
pub(crate) struct Reading {
    ward: Option<String>,
    bed: i32,
    value: f64,
    alarm: bool,
    tags: Option<Vec<Option<String>>>,
    counts: Option<Counts>,
    previous: Option<Box<Reading>>,
}

/// Numbers by name, in the order of their first occurrence.
#[derive(Clone, Default)]
struct Counts(Vec<(String, i32)>);

/// The names of the fields in MessagePack; in JSON they are in lower case.
const NAMES: [&str; 7] = ["Ward", "Bed", "Value", "Alarm", "Tags", "Counts", "Previous"];

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = serializer.is_human_readable();
        let name = |at: usize| {
            let name = NAMES.get(at).copied().unwrap_or_default();
            if json { name.to_ascii_lowercase() } else { name.to_owned() }
        };
        let mut map = serializer.serialize_map(Some(NAMES.len()))?;
        map.serialize_entry(&name(0), &self.ward)?;
        map.serialize_entry(&name(1), &self.bed)?;
        map.serialize_entry(&name(2), &self.value)?;
        map.serialize_entry(&name(3), &self.alarm)?;
        map.serialize_entry(&name(4), &self.tags)?;
        map.serialize_entry(&name(5), &self.counts)?;
        map.serialize_entry(&name(6), &self.previous)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = deserializer.is_human_readable();
        deserializer.deserialize_map(ReadingVisitor { json })
    }
}

struct ReadingVisitor {
    json: bool,
}

impl<'de> Visitor<'de> for ReadingVisitor {
    type Value = Reading;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reading, A::Error> {
        let mut reading = Reading::default();
        while let Some(name) = map.next_key::<String>()? {
            let is =
                |known: &&str| if self.json { known.eq_ignore_ascii_case(&name) } else { *known == name };
            match NAMES.iter().position(is) {
                Some(0) => reading.ward = map.next_value()?,
                Some(1) => reading.bed = map.next_value()?,
                Some(2) => reading.value = map.next_value()?,
                Some(3) => reading.alarm = map.next_value()?,
                Some(4) => reading.tags = map.next_value()?,
                Some(5) => reading.counts = map.next_value()?,
                Some(6) => reading.previous = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(reading)
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CountsVisitor)
    }
}

struct CountsVisitor;

impl<'de> Visitor<'de> for CountsVisitor {
    type Value = Counts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
        let mut counts: Vec<(String, i32)> = Vec::new();
        while let Some((name, count)) = map.next_entry::<String, i32>()? {
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = count,
                None => counts.push((name, count)),
            }
        }
        Ok(Counts(counts))
    }
}
