//! How much one message may hold. The limits of a connection, such as its mailbox's, are the server's.

use crate::error::ProtocolError;

/// The limits that decoders enforce. The defaults are those of [`Limits::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message with its separator or length prefix; `None` for no limit. 32 KiB, as in ASP.NET Core:
    /// room for any sensible call, and small enough that every connection may fill it at once.
    pub message_bytes: Option<usize>,
    /// How deep arrays and objects may be nested, the message itself included. 64, the default of .NET's JSON
    /// reader. Values above 128 count as 128, because decoding a value into a type is recursive.
    pub depth: usize,
    /// Headers of a message. 32: tracing needs three, and applications add a few.
    pub headers: usize,
    /// Bytes of all header names and values of a message together. 8 KiB, what HTTP servers allow a request.
    pub header_bytes: usize,
    /// Bytes of an invocation or stream id. 256: clients use counters or UUIDs, and the server keeps an id as
    /// long as its call runs.
    pub id_bytes: usize,
    /// Bytes of a method's name. 256: longer than any sensible name.
    pub target_bytes: usize,
    /// Streams that one call may upload. 16: one for each stream parameter, and no sensible method has more.
    pub stream_ids: usize,
    /// Arguments of a call. 64: several times as many as a readable method has.
    pub arguments: usize,
}

impl Limits {
    /// The highest depth, even if [`depth`](Self::depth) is higher.
    pub(crate) const DEEPEST: usize = 128;

    pub(crate) fn effective_depth(&self) -> usize {
        self.depth.min(Self::DEEPEST)
    }

    pub(crate) fn check(what: &'static str, len: usize, limit: usize) -> Result<(), ProtocolError> {
        if len > limit { Err(ProtocolError::LimitExceeded { what, limit }) } else { Ok(()) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: Some(32 * 1024),
            depth: 64,
            headers: 32,
            header_bytes: 8 * 1024,
            id_bytes: 256,
            target_bytes: 256,
            stream_ids: 16,
            arguments: 64,
        }
    }
}
