//! The nine hub messages as they are read: borrowed from the input where possible, their values still encoded. They are
//! not for writing: [`encode`](crate::encode) takes values directly from the program.

pub(crate) mod arguments;
pub(crate) mod handshake;
pub(crate) mod headers;
pub(crate) mod message_type;
pub(crate) mod raw;

use std::borrow::Cow;

use self::headers::Headers;
use self::message_type::MessageType;
use self::raw::{RawArguments, RawValue};

/// A hub message.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Type 1: calls a method that returns at most one value.
    Invocation(Invocation<'a>),
    /// Type 2: an item of a stream, in either direction.
    StreamItem(StreamItem<'a>),
    /// Type 3: the end of a call, or of a stream that the client uploads.
    Completion(Completion<'a>),
    /// Type 4: calls a method that returns a stream.
    StreamInvocation(Invocation<'a>),
    /// Type 5: the caller wants no more items of a stream.
    CancelInvocation(CancelInvocation<'a>),
    /// Type 6: keeps the connection alive.
    Ping,
    /// Type 7: the sender is about to close the connection.
    Close(Close<'a>),
    /// Type 8: acknowledges counted messages.
    Ack {
        /// The id of the latest counted message that the sender has received.
        sequence_id: u64,
    },
    /// Type 9: the first message on a transport that resumes a session.
    Sequence {
        /// The id of the next counted message on this transport.
        sequence_id: u64,
    },
}

impl Message<'_> {
    pub(crate) fn message_type(&self) -> MessageType {
        match self {
            Self::Invocation(_) => MessageType::Invocation,
            Self::StreamItem(_) => MessageType::StreamItem,
            Self::Completion(_) => MessageType::Completion,
            Self::StreamInvocation(_) => MessageType::StreamInvocation,
            Self::CancelInvocation(_) => MessageType::CancelInvocation,
            Self::Ping => MessageType::Ping,
            Self::Close(_) => MessageType::Close,
            Self::Ack { .. } => MessageType::Ack,
            Self::Sequence { .. } => MessageType::Sequence,
        }
    }
}

/// A call of a method.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// The headers of the message.
    pub headers: Headers<'a>,
    /// The id of the call, for its Completion. `None`, also for an empty id, if the caller expects no Completion.
    pub invocation_id: Option<Cow<'a, str>>,
    /// The name of the method.
    pub target: Cow<'a, str>,
    /// The arguments, not decoded yet.
    pub arguments: RawArguments<'a>,
    /// The ids of the streams that the caller is about to upload, one for each stream parameter.
    pub stream_ids: Vec<Cow<'a, str>>,
}

/// An item of a stream.
#[derive(Clone, Debug)]
pub struct StreamItem<'a> {
    /// The headers of the message.
    pub headers: Headers<'a>,
    /// The id of the call that the stream is the result of; for an upload, the id of the stream.
    pub invocation_id: Cow<'a, str>,
    /// The item, not decoded yet.
    pub item: RawValue<'a>,
}

/// The end of a call or of an uploaded stream.
#[derive(Clone, Debug)]
pub struct Completion<'a> {
    /// The headers of the message.
    pub headers: Headers<'a>,
    /// The id of the call that has ended; for an upload, the id of the stream.
    pub invocation_id: Cow<'a, str>,
    /// How it ended.
    pub result: CompletionResult<'a>,
}

/// How a call or an uploaded stream ended.
#[derive(Clone, Debug)]
pub enum CompletionResult<'a> {
    /// It succeeded without a value.
    Void,
    /// It succeeded with this value, which may be null.
    Value(RawValue<'a>),
    /// It failed with this error.
    Error(Cow<'a, str>),
}

/// The caller wants no more items of a stream.
#[derive(Clone, Debug)]
pub struct CancelInvocation<'a> {
    /// The headers of the message.
    pub headers: Headers<'a>,
    /// The id of the call that the stream is the result of.
    pub invocation_id: Cow<'a, str>,
}

/// The sender is about to close the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// The error that the connection is closed for; `None` for a clean close.
    pub error: Option<Cow<'a, str>>,
    /// Whether the client may reconnect automatically.
    pub allow_reconnect: bool,
}
