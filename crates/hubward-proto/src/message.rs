//! The nine hub messages as they are read: borrowed from the input wherever it holds them as they are, their values
//! still raw. Writing does not go through these types (see [`encode`](crate::encode)): a value is written from
//! where it stands.

use std::borrow::Cow;

use crate::{Headers, RawArguments, RawValue};

/// A hub message.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Type 1: a call that is answered once or not at all.
    Invocation(Invocation<'a>),
    /// Type 2: a value of a stream, in either direction.
    StreamItem(StreamItem<'a>),
    /// Type 3: the end of a call or of an uploaded stream.
    Completion(Completion<'a>),
    /// Type 4: a call that is answered by a stream.
    StreamInvocation(Invocation<'a>),
    /// Type 5: the caller of a stream wants no more of it.
    CancelInvocation(CancelInvocation<'a>),
    /// Type 6: a sign of life.
    Ping,
    /// Type 7: the sender is about to end the connection.
    Close(Close<'a>),
    /// Type 8: counted messages up to this one have arrived.
    Ack {
        /// The id of the latest counted message that the sender has received.
        sequence_id: u64,
    },
    /// Type 9: the first message of a transport that takes up a session.
    Sequence {
        /// The id of the counted message that comes next.
        sequence_id: u64,
    },
}

/// A call of a method, with or without a stream as its answer.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// Its headers.
    pub headers: Headers<'a>,
    /// The id under which the answer is to come; `None`, also for an empty one, where none is wanted.
    pub invocation_id: Option<Cow<'a, str>>,
    /// The method.
    pub target: Cow<'a, str>,
    /// The arguments, not yet decoded.
    pub arguments: RawArguments<'a>,
    /// The ids of the streams that the caller is about to upload, one for each stream parameter.
    pub stream_ids: Vec<Cow<'a, str>>,
}

/// A value of a stream.
#[derive(Clone, Debug)]
pub struct StreamItem<'a> {
    /// Its headers.
    pub headers: Headers<'a>,
    /// The call, or for an upload the stream, that it belongs to.
    pub invocation_id: Cow<'a, str>,
    /// The value, not yet decoded.
    pub item: RawValue<'a>,
}

/// The end of a call or of an uploaded stream.
#[derive(Clone, Debug)]
pub struct Completion<'a> {
    /// Its headers.
    pub headers: Headers<'a>,
    /// The call, or for an upload the stream, that has ended.
    pub invocation_id: Cow<'a, str>,
    /// How it ended.
    pub result: CompletionResult<'a>,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum CompletionResult<'a> {
    /// Well, with nothing to return.
    Void,
    /// Well, with this value, which may be null.
    Value(RawValue<'a>),
    /// With this error.
    Error(Cow<'a, str>),
}

/// The caller of a stream wants no more of it.
#[derive(Clone, Debug)]
pub struct CancelInvocation<'a> {
    /// Its headers.
    pub headers: Headers<'a>,
    /// The call.
    pub invocation_id: Cow<'a, str>,
}

/// The sender is about to end the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why, where it is an error.
    pub error: Option<Cow<'a, str>>,
    /// Whether the client may try to connect again by itself.
    pub allow_reconnect: bool,
}
