//! What a client replies to an invocation of the server, and why a reply is not waited for.

use hubward_proto::Protocol;

/// What a client completed an invocation with.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A value, encoded in the client's protocol.
    Value(Protocol, Vec<u8>),
    /// No value.
    Void,
    /// The client's error.
    Error(String),
}

/// Why a client result is not waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotExpected {
    /// The client has gone.
    Gone,
    /// As many as allowed are waited for.
    TooMany,
}
