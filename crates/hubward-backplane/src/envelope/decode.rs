//! Decodes envelopes. Frames are slices of the input, not copies. Whatever lengths the input declares, no
//! more memory is allocated than a small multiple of its size.

use std::fmt;

use bytes::Bytes;
use hubward_types::{ConnectionId, TraceContext};
use serde::de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::trace::ReadTrace;
use super::{
    Body, ClientResultOutcome, Envelope, EnvelopeError, Frames, MAX_ENVELOPE_BYTES, MAX_EXCEPT_IDS,
    RequestFailure, VERSION, failure, kind, outcome,
};

/// How deep values may be nested. An envelope with its list of ids has two levels; a field that a later
/// version adds, and this one skips, may have more, but must not exhaust the stack.
const MAX_DEPTH: usize = 16;

/// For how many ids memory is allocated by a declared length, before they are read.
const TRUSTED_IDS: usize = 1_024;

impl Envelope {
    /// Decodes an envelope. The frames in it share the memory of `bytes`.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not an envelope, or one that this version does not know: see [`EnvelopeError`].
    pub fn decode(bytes: &Bytes) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
        }
        let slice: &[u8] = bytes;
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(slice);
        deserializer.set_max_depth(MAX_DEPTH);
        let mut failure = EnvelopeError::Malformed { field: "array" };
        deserializer
            .deserialize_seq(EnvelopeVisitor { source: bytes, failure: &mut failure })
            .map_err(|_| failure)
    }
}

/// Reads the array. Serde's own errors may quote what was read, so `failure` is reported instead.
struct EnvelopeVisitor<'a> {
    source: &'a Bytes,
    failure: &'a mut EnvelopeError,
}

impl<'de> Visitor<'de> for EnvelopeVisitor<'_> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Envelope, A::Error> {
        let mut fields = Fields { seq, source: self.source, failure: self.failure };
        let version = fields.next::<u64>("version")?;
        if version != u64::from(VERSION) {
            return Err(fields.fail(EnvelopeError::UnknownVersion(version)));
        }
        let kind = fields.next::<u64>("kind")?;
        let sender = fields.name("sender")?;
        let body = fields.body(kind)?;
        let trace = fields.trace()?;
        let number = fields.number()?;
        fields.skip_the_rest()?;
        Ok(Envelope { sender, trace, number, body })
    }
}

/// The fields that are still to be read. While one is being read, `failure` has its name.
struct Fields<'a, A> {
    seq: A,
    source: &'a Bytes,
    failure: &'a mut EnvelopeError,
}

impl<'de, A: SeqAccess<'de>> Fields<'_, A> {
    fn body(&mut self, kind: u64) -> Result<Body, A::Error> {
        Ok(match u8::try_from(kind).unwrap_or(u8::MAX) {
            kind::DELIVER => Body::Deliver { frames: self.frames()?, except: self.ids("except")? },
            kind::DELIVER_TO => Body::DeliverTo {
                hub: self.name("hub")?,
                connections: self.ids("connections")?,
                frames: self.frames()?,
            },
            kind::INVOKE_CLIENT => Body::InvokeClient {
                id: self.next("id")?,
                hub: self.name("hub")?,
                connection: self.name("connection")?,
                frames: self.frames()?,
                invocation_id: self.next("invocation id")?,
            },
            kind::CLIENT_RESULT => Body::ClientResult { id: self.next("id")?, outcome: self.outcome()? },
            kind::CANCEL_INVOKE_CLIENT => Body::CancelInvokeClient { id: self.next("id")? },
            kind::ABORT => Body::Abort {
                id: self.next("id")?,
                hub: self.name("hub")?,
                connection: self.name("connection")?,
            },
            kind::JOIN_GROUP => Body::JoinGroup {
                id: self.next("id")?,
                hub: self.name("hub")?,
                connection: self.name("connection")?,
                group: self.name("group")?,
            },
            kind::LEAVE_GROUP => Body::LeaveGroup {
                id: self.next("id")?,
                hub: self.name("hub")?,
                connection: self.name("connection")?,
                group: self.name("group")?,
            },
            kind::USER_CHANGED => Body::UserChanged {
                id: self.next("id")?,
                hub: self.name("hub")?,
                user: self.name("user")?,
                group: self.name("group")?,
            },
            kind::CONFIRMED => Body::Confirmed { id: self.next("id")?, failure: self.failure()? },
            kind::RESUMED => Body::Resumed,
            kind::USER_BANNED => Body::UserBanned {
                id: self.next("id")?,
                hub: self.name("hub")?,
                user: self.name("user")?,
                group: self.name("group")?,
            },
            kind::DISCONNECT_USER => Body::DisconnectUser {
                id: self.next("id")?,
                hub: self.name("hub")?,
                user: self.name("user")?,
            },
            kind::CONFIRM_LINK => Body::ConfirmLink { id: self.next("id")? },
            kind::MARKER => Body::Marker { id: self.next("id")? },
            _ => return Err(self.fail(EnvelopeError::UnknownKind(kind))),
        })
    }

    fn outcome(&mut self) -> Result<ClientResultOutcome, A::Error> {
        let number = self.next::<u64>("outcome")?;
        Ok(match u8::try_from(number).unwrap_or(u8::MAX) {
            outcome::RESULT => {
                let protocol = self.next("protocol")?;
                let bytes = self.next::<&serde_bytes::Bytes>("result")?;
                ClientResultOutcome::Result { protocol, bytes: self.source.slice_ref(bytes) }
            }
            outcome::VOID => ClientResultOutcome::Void,
            outcome::ERROR => ClientResultOutcome::Error(self.next("error")?),
            outcome::NOT_FOUND => ClientResultOutcome::NotFound,
            outcome::DISCONNECTED => ClientResultOutcome::Disconnected,
            outcome::TOO_MANY => ClientResultOutcome::TooMany,
            outcome::TIMED_OUT => ClientResultOutcome::TimedOut,
            _ => return Err(self.fail(EnvelopeError::UnknownKind(number))),
        })
    }

    fn failure(&mut self) -> Result<Option<RequestFailure>, A::Error> {
        let Some(number) = self.next::<Option<u64>>("failure")? else { return Ok(None) };
        Ok(Some(match u8::try_from(number).unwrap_or(u8::MAX) {
            failure::ERROR => RequestFailure::Error(self.next("error")?),
            failure::NOT_ALLOWED => RequestFailure::NotAllowed,
            failure::BANNED => RequestFailure::Banned,
            _ => return Err(self.fail(EnvelopeError::UnknownKind(number))),
        }))
    }

    fn frames(&mut self) -> Result<Frames, A::Error> {
        Ok(Frames { json: self.frame("json frame")?, messagepack: self.frame("messagepack frame")? })
    }

    fn frame(&mut self, name: &'static str) -> Result<Option<Bytes>, A::Error> {
        // `slice_ref` needs a slice of the source; the bytes are borrowed, and there is nothing else to
        // borrow from.
        let bytes = self.next::<Option<&serde_bytes::Bytes>>(name)?;
        Ok(bytes.map(|bytes| self.source.slice_ref(bytes)))
    }

    fn ids(&mut self, name: &'static str) -> Result<Vec<ConnectionId>, A::Error> {
        *self.failure = EnvelopeError::Malformed { field: name };
        match self.seq.next_element_seed(ConnectionIds { failure: self.failure })? {
            Some(ids) => Ok(ids),
            None => Err(A::Error::custom("")),
        }
    }

    fn next<T: Deserialize<'de>>(&mut self, name: &'static str) -> Result<T, A::Error> {
        *self.failure = EnvelopeError::Malformed { field: name };
        match self.seq.next_element()? {
            Some(value) => Ok(value),
            None => Err(A::Error::custom("")),
        }
    }

    /// Reads a name without a `String` in between.
    fn name<T: From<&'de str>>(&mut self, name: &'static str) -> Result<T, A::Error> {
        self.next::<&str>(name).map(T::from)
    }

    fn trace(&mut self) -> Result<Option<TraceContext>, A::Error> {
        *self.failure = EnvelopeError::Malformed { field: "trace" };
        Ok(self.seq.next_element::<ReadTrace>()?.and_then(|read| read.0))
    }

    fn number(&mut self) -> Result<Option<u64>, A::Error> {
        *self.failure = EnvelopeError::Malformed { field: "number" };
        Ok(self.seq.next_element::<Option<u64>>()?.flatten())
    }

    fn skip_the_rest(&mut self) -> Result<(), A::Error> {
        *self.failure = EnvelopeError::Malformed { field: "end" };
        while self.seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn fail(&mut self, failure: EnvelopeError) -> A::Error {
        *self.failure = failure;
        A::Error::custom("")
    }
}

/// Reads a list of ids of bounded length.
struct ConnectionIds<'a> {
    failure: &'a mut EnvelopeError,
}

impl<'de> DeserializeSeed<'de> for ConnectionIds<'_> {
    type Value = Vec<ConnectionId>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ConnectionIds<'_> {
    type Value = Vec<ConnectionId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of connection ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let claimed = seq.size_hint().unwrap_or(0);
        let mut ids = Vec::with_capacity(claimed.min(TRUSTED_IDS));
        while let Some(id) = seq.next_element::<&str>()? {
            if ids.len() == MAX_EXCEPT_IDS {
                *self.failure = EnvelopeError::TooManyIds;
                return Err(A::Error::custom(""));
            }
            ids.push(id.into());
        }
        Ok(ids)
    }
}
