//! Why connections end: one table of what the client is told, how it may go on, and how it is logged.

use hubward_proto::{ProtocolError, SessionError};

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum CloseReason {
    /// The client said goodbye with a Close message, with or without an error of its own.
    Client(Option<String>),
    /// The client closed its transport.
    TransportClosed,
    /// The client ended long polling by DELETE; a poll that still waits takes the goodbye.
    Terminated,
    /// The transport went away without a goodbye.
    TransportLost,
    /// The hub, or another part of the program, aborted it.
    Aborted,
    /// `on_connected` failed; the text is what the client may know.
    Refused(String),
    /// The client broke the rules of its transport; the transport tells it.
    TransportViolated,
    /// The client broke the protocol.
    Protocol(ProtocolError),
    /// The handshake was refused; its answer has been queued.
    Handshake(String),
    /// No handshake in time; its answer has been queued.
    HandshakeTimeout,
    /// The client fell silent.
    ClientTimeout,
    /// The client does not read what it is sent.
    SlowConsumer,
    /// A write stayed blocked for too long.
    SendTimeout,
    /// The client did not acknowledge in time what it was sent.
    AckTimeout,
    /// A cut connection was not taken up again in time.
    ReconnectTimeout,
    /// The token lapsed.
    TokenExpired,
    /// The node is leaving.
    Shutdown,
}

/// How loud an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// As it should be.
    Info,
    /// Somebody should look when there are many.
    Warn,
}

/// One row of the table.
pub(crate) struct Row {
    /// The name in logs and metrics.
    pub(crate) label: &'static str,
    /// The Close message's error; none where it carries none.
    pub(crate) error: Option<&'static str>,
    /// Whether a Close message is sent at all.
    pub(crate) says_goodbye: bool,
    /// Whether a client with automatic reconnect may use it.
    pub(crate) allow_reconnect: bool,
    /// How it is logged.
    pub(crate) loudness: Loudness,
}

/// SignalR's text for every end by an error.
const WITH_ERROR: Option<&str> = Some("Connection closed with an error.");

impl CloseReason {
    /// The row of this reason.
    pub(crate) fn row(&self) -> Row {
        use Loudness::{Info, Warn};
        let row = |label, error, says_goodbye, allow_reconnect, loudness| Row {
            label,
            error,
            says_goodbye,
            allow_reconnect,
            loudness,
        };
        match self {
            Self::Client(_) => row("client", None, true, false, Info),
            Self::TransportClosed => row("transport_closed", None, false, false, Info),
            Self::Terminated => row("terminated", None, true, true, Info),
            Self::TransportLost => row("transport_lost", None, false, true, Info),
            Self::Aborted => row("aborted", None, true, false, Info),
            Self::Refused(_) => row("refused", WITH_ERROR, true, false, Info),
            Self::TransportViolated => row("transport_violated", None, false, false, Warn),
            Self::Protocol(_) => row("protocol_error", WITH_ERROR, true, true, Warn),
            Self::Handshake(_) => row("handshake_failed", None, false, false, Warn),
            Self::HandshakeTimeout => row("handshake_timeout", None, false, false, Info),
            Self::ClientTimeout => row("client_timeout", WITH_ERROR, true, true, Info),
            Self::SlowConsumer => row("slow_consumer", WITH_ERROR, true, true, Warn),
            Self::SendTimeout => row("send_timeout", None, false, true, Warn),
            Self::AckTimeout => row("ack_timeout", WITH_ERROR, true, true, Warn),
            Self::ReconnectTimeout => row("reconnect_timeout", None, false, true, Info),
            Self::TokenExpired => row("token_expired", None, true, true, Info),
            Self::Shutdown => row("shutdown", None, true, true, Info),
        }
    }

    /// What the Close message says.
    pub(crate) fn wire_error(&self, detailed: bool) -> Option<String> {
        let base = self.row().error?;
        let detail = match self {
            Self::Refused(text) => return Some(text.clone()),
            Self::Protocol(error) => format!("{}: {error}", error.exception()),
            Self::ClientTimeout => "OperationCanceledException: Client hasn't sent a message/ping within the configured ClientTimeoutInterval.".to_owned(),
            _ => return Some(base.to_owned()),
        };
        Some(if detailed { format!("{base} {detail}") } else { base.to_owned() })
    }

    /// What `on_disconnected` is told; none where all is in order.
    pub(crate) fn error(&self) -> Option<String> {
        match self {
            Self::Client(error) => error.clone(),
            Self::TransportClosed | Self::Terminated | Self::TransportLost => None,
            Self::Aborted | Self::Shutdown | Self::TokenExpired => None,
            Self::TransportViolated => Some("The client broke the rules of its transport.".to_owned()),
            Self::Refused(text) | Self::Handshake(text) => Some(text.clone()),
            Self::Protocol(error) => Some(error.to_string()),
            Self::HandshakeTimeout => Some("Handshake was canceled.".to_owned()),
            Self::ClientTimeout => Some(
                "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.".to_owned(),
            ),
            Self::SlowConsumer => Some("The client does not read what it is sent.".to_owned()),
            Self::SendTimeout => Some("A write to the client stayed blocked for too long.".to_owned()),
            Self::AckTimeout => Some("The client did not acknowledge in time what it was sent.".to_owned()),
            Self::ReconnectTimeout => {
                Some("The client did not take the connection up again in time.".to_owned())
            }
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
            _ => Self::Aborted,
        }
    }
}
