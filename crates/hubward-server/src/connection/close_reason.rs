//! Why connections close: one table of what the client is sent, whether it may reconnect, and how the close is logged,
//! and the reason that the hub is notified of.

use hubward_hub::DisconnectReason;
use hubward_proto::{ProtocolError, SessionError};
use hubward_types::NodeId;
use tracing::Level;

/// Why a connection closed.
#[derive(Debug)]
pub(crate) enum CloseReason {
    /// The client sent a Close message, with or without an error of its own.
    Client(Option<String>),
    /// The client closed its transport.
    TransportClosed,
    /// The client ended long polling by DELETE; a poll that is pending still gets the Close message.
    Terminated,
    /// The transport was lost without being closed.
    TransportLost,
    /// The hub, or another part of the program, aborted it.
    Aborted,
    /// The hub, or another part of the program, disconnected its user.
    UserDisconnected,
    /// `on_connected` failed; the text is what the client may know.
    Rejected(String),
    /// `on_resumed` failed; the text is what the client may know.
    ResumeFailed(String),
    /// The group store or the backplane cannot be reached, and the hub accepts no connections then. The cause is logged
    /// once for all.
    Outage,
    /// The client violated its transport's rules, such as WebSocket framing; the transport reports it to the client.
    TransportViolated,
    /// The client violated the hub protocol.
    Protocol(ProtocolError),
    /// The handshake failed; its response has been queued.
    Handshake(String),
    /// No handshake came in time; its response has been queued.
    HandshakeTimeout,
    /// The client was silent for too long.
    ClientTimeout,
    /// The client does not read what it is sent: its mailbox was full.
    SlowConsumer,
    /// A write stayed blocked for too long.
    SendTimeout,
    /// The client did not acknowledge in time what it was sent.
    AckTimeout,
    /// A lost connection was not resumed in time.
    ReconnectTimeout,
    /// The bearer token expired.
    TokenExpired,
    /// The node is shutting down.
    Shutdown,
    /// Another node has it now; its client resumes it there. For the hub it has not ended.
    Moved {
        /// The node that has it.
        to: NodeId,
        /// Whether it was aborted before it was known that the other node has it.
        is_aborted: bool,
    },
    /// It was to move to another node, and nobody decided which of the two has it.
    HandoverFailed,
    /// Code of the hub, or of the node, panicked where that cannot be the failure of one call.
    Panicked,
}

/// What a reason means: one row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseRow {
    /// The name in logs.
    pub(crate) label: &'static str,
    /// Whether a Close message is sent.
    pub(crate) sends_close: bool,
    /// The Close message's error, where the close is an error.
    pub(crate) close_error: Option<&'static str>,
    /// Whether a client with automatic reconnect may use it.
    pub(crate) allow_reconnect: bool,
    /// Whether messages that wait in the mailbox are still written.
    pub(crate) flushes_mailbox: bool,
    /// Whether the transport is still written to and closed; otherwise it is only dropped.
    pub(crate) closes_transport: bool,
    /// Whether `on_disconnected` runs. It does not after an `on_connected` that failed.
    pub(crate) runs_on_disconnected: bool,
    /// The log level: INFO for what is normal, WARN for what an operator should look into where it is frequent.
    pub(crate) log_level: Level,
}

/// SignalR's text for every close by an error.
pub(crate) const CLOSED_WITH_ERROR: &str = "Connection closed with an error.";

/// A close without an error: what the rows below have in common.
const CLEAN: CloseRow = CloseRow {
    label: "",
    sends_close: true,
    close_error: None,
    allow_reconnect: false,
    flushes_mailbox: true,
    closes_transport: true,
    runs_on_disconnected: true,
    log_level: Level::INFO,
};

/// The end of a transport that nothing can be written to, or that nothing is to be written to: the client comes back.
const DROPPED: CloseRow =
    CloseRow { sends_close: false, allow_reconnect: true, closes_transport: false, ..CLEAN };

impl CloseReason {
    /// Returns the row of this reason.
    pub(crate) fn row(&self) -> CloseRow {
        const ERROR: CloseRow = CloseRow { close_error: Some(CLOSED_WITH_ERROR), ..CLEAN };
        match self {
            Self::Client(_) => CloseRow { label: "client", ..CLEAN },
            Self::TransportClosed => CloseRow { label: "transport_closed", sends_close: false, ..CLEAN },
            Self::Terminated => CloseRow { label: "terminated", allow_reconnect: true, ..CLEAN },
            Self::TransportLost => CloseRow { label: "transport_lost", ..DROPPED },
            Self::Aborted => CloseRow { label: "aborted", ..CLEAN },
            Self::UserDisconnected => CloseRow { label: "user_disconnected", ..CLEAN },
            Self::Rejected(_) => CloseRow { label: "rejected", runs_on_disconnected: false, ..ERROR },
            Self::ResumeFailed(_) => CloseRow { label: "resume_failed", allow_reconnect: true, ..ERROR },
            Self::Outage => {
                CloseRow { label: "outage", allow_reconnect: true, runs_on_disconnected: false, ..ERROR }
            }
            Self::TransportViolated => {
                CloseRow { label: "transport_violated", sends_close: false, log_level: Level::WARN, ..CLEAN }
            }
            Self::Protocol(_) => {
                CloseRow { label: "protocol_error", allow_reconnect: true, log_level: Level::WARN, ..ERROR }
            }
            Self::Handshake(_) => {
                CloseRow { label: "handshake_failed", sends_close: false, log_level: Level::WARN, ..CLEAN }
            }
            Self::HandshakeTimeout => CloseRow { label: "handshake_timeout", sends_close: false, ..CLEAN },
            Self::ClientTimeout => CloseRow { label: "client_timeout", allow_reconnect: true, ..ERROR },
            Self::SlowConsumer => CloseRow {
                label: "slow_consumer",
                allow_reconnect: true,
                // What it has not read so far it will not read in its last seconds.
                flushes_mailbox: false,
                log_level: Level::WARN,
                ..ERROR
            },
            Self::SendTimeout => CloseRow { label: "send_timeout", log_level: Level::WARN, ..DROPPED },
            Self::AckTimeout => {
                CloseRow { label: "ack_timeout", allow_reconnect: true, log_level: Level::WARN, ..ERROR }
            }
            Self::ReconnectTimeout => {
                CloseRow { label: "reconnect_timeout", sends_close: false, allow_reconnect: true, ..CLEAN }
            }
            Self::TokenExpired => CloseRow { label: "token_expired", allow_reconnect: true, ..CLEAN },
            Self::Shutdown => CloseRow { label: "shutdown", allow_reconnect: true, ..CLEAN },
            Self::Moved { .. } => {
                CloseRow { label: "moved", flushes_mailbox: false, runs_on_disconnected: false, ..DROPPED }
            }
            Self::HandoverFailed => {
                CloseRow { label: "handover_failed", allow_reconnect: true, log_level: Level::WARN, ..CLEAN }
            }
            Self::Panicked => {
                CloseRow { label: "internal_error", allow_reconnect: true, log_level: Level::WARN, ..ERROR }
            }
        }
    }

    /// Returns the Close message's error: the row's, or what is known in detail.
    pub(crate) fn close_error(&self, detailed: bool) -> Option<String> {
        let base = self.row().close_error?;
        let detail = match self {
            Self::Rejected(text) | Self::ResumeFailed(text) => return Some(text.clone()),
            Self::Protocol(error) if detailed => format!("{}: {error}", error.exception()),
            Self::ClientTimeout if detailed => {
                let error = SessionError::ClientTimeout;
                format!("{}: {error}", error.exception())
            }
            _ => return Some(base.to_owned()),
        };
        Some(format!("{base} {detail}"))
    }

    /// Returns what `on_disconnected` is notified of.
    pub(crate) fn disconnect_reason(&self) -> DisconnectReason {
        match self {
            Self::Client(None) => DisconnectReason::ClientClosed,
            Self::Client(Some(error)) => DisconnectReason::ClientError(error.clone()),
            Self::TransportClosed | Self::Terminated => DisconnectReason::TransportClosed,
            Self::TransportLost => DisconnectReason::TransportLost,
            Self::TransportViolated => DisconnectReason::TransportError,
            Self::Aborted => DisconnectReason::Aborted,
            Self::UserDisconnected => DisconnectReason::UserDisconnected,
            Self::Rejected(text) => DisconnectReason::Rejected(text.clone()),
            Self::ResumeFailed(text) => DisconnectReason::ResumeFailed(text.clone()),
            Self::Outage => DisconnectReason::Rejected(CLOSED_WITH_ERROR.to_owned()),
            Self::Protocol(error) => DisconnectReason::ProtocolError(error.to_string()),
            Self::Handshake(text) => DisconnectReason::HandshakeFailed(text.clone()),
            Self::HandshakeTimeout => {
                DisconnectReason::HandshakeFailed(SessionError::HandshakeTimeout.to_string())
            }
            Self::ClientTimeout => DisconnectReason::ClientTimeout,
            Self::SlowConsumer => DisconnectReason::SlowConsumer,
            Self::SendTimeout => DisconnectReason::SendTimeout,
            Self::AckTimeout => DisconnectReason::AckTimeout,
            Self::ReconnectTimeout => DisconnectReason::ReconnectTimeout,
            Self::TokenExpired => DisconnectReason::TokenExpired,
            // A node gives connections away because it shuts down.
            Self::Shutdown | Self::Moved { .. } | Self::HandoverFailed => DisconnectReason::Shutdown,
            Self::Panicked => DisconnectReason::InternalError,
        }
    }
}

impl From<SessionError> for CloseReason {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Handshake { message } => Self::Handshake(message),
            SessionError::HandshakeTimeout => Self::HandshakeTimeout,
            SessionError::Protocol(error) => Self::Protocol(error),
            SessionError::ClientTimeout => Self::ClientTimeout,
            SessionError::AckTimeout => Self::AckTimeout,
            SessionError::ReconnectTimeout => Self::ReconnectTimeout,
        }
    }
}

#[cfg(test)]
mod tests;
