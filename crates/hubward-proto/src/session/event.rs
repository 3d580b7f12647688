//! What comes out of a session: how far it has read, what has happened, and what went wrong.

use crate::{CancelInvocation, Close, Completion, Invocation, Protocol, ProtocolError, StreamItem};

/// What came of some input.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Bytes to drop from the front of the input; 0 means that more must come.
    pub consumed: usize,
    /// What happened, if it is the owner's matter.
    pub event: Option<Event<'a>>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The handshake is done.
    Handshake {
        /// The protocol to speak.
        protocol: Protocol,
        /// Its version.
        version: u32,
    },
    /// The peer calls a method.
    Invocation {
        /// The call.
        call: Invocation<'a>,
        /// Whether the peer wants a stream for an answer.
        streaming: bool,
    },
    /// A value of a stream has come.
    StreamItem(StreamItem<'a>),
    /// A call or an uploaded stream has ended.
    Completion(Completion<'a>),
    /// The peer wants no more of a stream.
    CancelInvocation(CancelInvocation<'a>),
    /// The peer ends the connection; the session is no longer stateful.
    Close(Close<'a>),
}

/// Why a session cannot go on. Exhaustive on purpose: whoever closes connections has a reason for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The handshake failed. A server has its answer among its output.
    #[error("{message}")]
    Handshake {
        /// What is said about it on the wire.
        message: String,
    },
    /// The handshake did not come in time. A server has its answer among its output.
    #[error("Handshake was canceled.")]
    HandshakeTimeout,
    /// The peer breaks the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The peer has been silent for too long.
    #[error("Client hasn't sent a message/ping within the configured ClientTimeoutInterval.")]
    ClientTimeout,
    /// The peer has left a full buffer unacknowledged for too long.
    #[error("Messages were not acknowledged in time.")]
    AckTimeout,
    /// No transport took up the session in time.
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
