//! What comes out of a session: how much input it has consumed, what has happened, and what went wrong.

use super::agreement::CANCELED;
use crate::error::ProtocolError;
use crate::message::{CancelInvocation, Close, Completion, Invocation, StreamItem};
use crate::protocol::Protocol;

/// What a session has made of some input.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// How many bytes to drop from the front of the input; 0 if a message is not complete yet.
    pub consumed: usize,
    /// What happened, if the owner is to act on it.
    pub event: Option<Event<'a>>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The handshake is done.
    Handshake {
        /// The protocol that was agreed on.
        protocol: Protocol,
        /// Its version.
        version: u32,
    },
    /// The peer calls a method.
    Invocation {
        /// The call.
        call: Invocation<'a>,
        /// Whether the peer expects a stream as the result.
        streaming: bool,
    },
    /// An item of a stream has arrived.
    StreamItem(StreamItem<'a>),
    /// A call or an uploaded stream has ended.
    Completion(Completion<'a>),
    /// The peer wants no more items of a stream.
    CancelInvocation(CancelInvocation<'a>),
    /// The peer closes the connection; the session is no longer stateful.
    Close(Close<'a>),
}

/// Why a session cannot continue. Exhaustive on purpose, so that the table of close reasons has a row for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The handshake failed. The output of a server has the response.
    #[error("{message}")]
    Handshake {
        /// The error of the response.
        message: String,
    },
    /// The handshake did not arrive in time. The output of a server has the response.
    #[error("{CANCELED}")]
    HandshakeTimeout,
    /// The peer broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The peer has been silent for too long.
    #[error("Client hasn't sent a message/ping within the configured ClientTimeoutInterval.")]
    ClientTimeout,
    /// The peer has left a full buffer unacknowledged for too long.
    #[error("Messages were not acknowledged in time.")]
    AckTimeout,
    /// The session was not resumed on another transport in time.
    #[error("The connection was not resumed in time.")]
    ReconnectTimeout,
}

impl SessionError {
    /// Returns the name of the exception that ASP.NET Core shows before the text in detailed mode.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::Protocol(error) => error.exception(),
            Self::Handshake { .. } => "InvalidDataException",
            Self::HandshakeTimeout | Self::ClientTimeout => "OperationCanceledException",
            Self::AckTimeout | Self::ReconnectTimeout => "TimeoutException",
        }
    }
}
