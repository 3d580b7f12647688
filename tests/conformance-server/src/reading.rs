//! A record as .NET would write it: camelCase names in JSON, PascalCase names in MessagePack.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A reading at a bed. The two shapes below name its fields for one protocol each.
#[derive(Clone)]
pub(crate) struct Reading {
    ward: Option<String>,
    bed: i32,
    value: f64,
    alarm: bool,
    tags: Option<Vec<String>>,
    counts: Option<BTreeMap<String, i32>>,
    previous: Option<Box<Reading>>,
}

macro_rules! shape {
    ($name:ident, $case:literal) => {
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = $case)]
        struct $name {
            ward: Option<String>,
            bed: i32,
            value: f64,
            alarm: bool,
            tags: Option<Vec<String>>,
            counts: Option<BTreeMap<String, i32>>,
            previous: Option<Box<Reading>>,
        }

        impl From<Reading> for $name {
            fn from(r: Reading) -> Self {
                let Reading { ward, bed, value, alarm, tags, counts, previous } = r;
                Self { ward, bed, value, alarm, tags, counts, previous }
            }
        }

        impl From<$name> for Reading {
            fn from(r: $name) -> Self {
                let $name { ward, bed, value, alarm, tags, counts, previous } = r;
                Self { ward, bed, value, alarm, tags, counts, previous }
            }
        }
    };
}

shape!(Json, "camelCase");
shape!(MessagePack, "PascalCase");

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            Json::from(self.clone()).serialize(serializer)
        } else {
            MessagePack::from(self.clone()).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Json::deserialize(deserializer).map(Self::from)
        } else {
            MessagePack::deserialize(deserializer).map(Self::from)
        }
    }
}
