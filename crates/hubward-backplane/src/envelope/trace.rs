//! The trace context of an envelope: one `bin`. What cannot be read as one is no context, so that no message is lost for it.

use std::fmt;

use hubward_types::{SpanId, TraceContext, TraceId};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The bytes of trace id, parent id and flags.
const FIXED_BYTES: usize = 16 + 8 + 1;

/// How many bytes it takes at most beside its state: those, and the length before them.
pub(super) const OVERHEAD_BYTES: usize = FIXED_BYTES + 3;

/// A context as it is written.
pub(super) struct WrittenTrace<'a>(pub(super) &'a TraceContext);

impl Serialize for WrittenTrace<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let state = self.0.state().unwrap_or_default();
        let mut bytes = Vec::with_capacity(FIXED_BYTES + state.len());
        bytes.extend(self.0.trace_id().to_bytes());
        bytes.extend(self.0.parent_id().to_bytes());
        bytes.push(self.0.flags());
        bytes.extend(state.as_bytes());
        serializer.serialize_bytes(&bytes)
    }
}

/// A context as it was read, whatever stands in its place.
pub(super) struct ReadTrace(pub(super) Option<TraceContext>);

impl<'de> Deserialize<'de> for ReadTrace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TraceVisitor)
    }
}

fn from_bytes(bytes: &[u8]) -> Option<TraceContext> {
    let (trace_id, bytes) = bytes.split_first_chunk()?;
    let (parent_id, bytes) = bytes.split_first_chunk()?;
    let (flags, state) = bytes.split_first()?;
    let trace_id = TraceId::from_bytes(*trace_id)?;
    let trace = TraceContext::new(trace_id, SpanId::from_bytes(*parent_id)?, *flags);
    Some(match std::str::from_utf8(state) {
        Ok(state) => trace.with_state(state),
        Err(_) => trace,
    })
}

struct TraceVisitor;

impl<'de> Visitor<'de> for TraceVisitor {
    type Value = ReadTrace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a trace context")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<ReadTrace, E> {
        Ok(ReadTrace(from_bytes(bytes)))
    }

    fn visit_unit<E: Error>(self) -> Result<ReadTrace, E> {
        Ok(ReadTrace(None))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<ReadTrace, E> {
        Ok(ReadTrace(None))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<ReadTrace, E> {
        Ok(ReadTrace(None))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<ReadTrace, E> {
        Ok(ReadTrace(None))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<ReadTrace, E> {
        Ok(ReadTrace(None))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<ReadTrace, E> {
        Ok(ReadTrace(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<ReadTrace, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| ReadTrace(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReadTrace, A::Error> {
        IgnoredAny.visit_map(map).map(|_| ReadTrace(None))
    }

    /// An extension type of MessagePack.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<ReadTrace, D::Error> {
        IgnoredAny::deserialize(extension).map(|_| ReadTrace(None))
    }
}
