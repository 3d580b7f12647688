//! Why a connection ended, as hub code learns it. What the client is sent, and how the end is logged, is the server's
//! table of close reasons, which maps to this one.

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client closed the connection with a Close message.
    ClientClosed,
    /// The client closed the connection with a Close message that carries this error.
    ClientError(String),
    /// The client closed its transport without a Close message: its WebSocket or event stream, or long polling by a
    /// DELETE request.
    TransportClosed,
    /// The transport was cut: the network, or the client's machine, is gone.
    TransportLost,
    /// The client broke the rules of its transport, such as WebSocket framing.
    TransportError,
    /// The hub, or another part of the program, aborted the connection.
    Aborted,
    /// The hub, or another part of the program, disconnected the user.
    UserDisconnected,
    /// `on_connected` failed, and the client was sent this error. `on_disconnected` does not run for it.
    Rejected(String),
    /// `on_resumed` failed, and the client was sent this error.
    ResumeFailed(String),
    /// The client broke the hub protocol, or sent a message over the limit: this is what was wrong with it.
    ProtocolError(String),
    /// The handshake failed with this error. `on_disconnected` does not run for it.
    HandshakeFailed(String),
    /// The client sent nothing, not even a ping, within
    /// [`client_timeout`](crate::HubOptions::client_timeout).
    ClientTimeout,
    /// The client is a slow consumer: it does not read what it is sent, and its mailbox was full.
    SlowConsumer,
    /// A write to the client stayed blocked for longer than the `send_timeout` option.
    SendTimeout,
    /// The client did not acknowledge in time what it was sent (stateful reconnect).
    AckTimeout,
    /// The client did not resume a cut connection in time (stateful reconnect).
    ReconnectTimeout,
    /// The client's token expired.
    TokenExpired,
    /// The node is shutting down.
    Shutdown,
    /// Code of the hub, or of the node, panicked where that could not be the failure of one call.
    InternalError,
}

impl DisconnectReason {
    /// Returns the error as a string: absent where the connection ended cleanly.
    ///
    /// It is what ASP.NET Core passes to `OnDisconnectedAsync` as the exception.
    pub fn error(&self) -> Option<&str> {
        Some(match self {
            Self::ClientClosed | Self::TransportClosed | Self::TransportLost => return None,
            Self::Aborted | Self::UserDisconnected | Self::TokenExpired | Self::Shutdown => return None,
            Self::ClientError(error) | Self::Rejected(error) | Self::ResumeFailed(error) => error,
            Self::ProtocolError(error) | Self::HandshakeFailed(error) => error,
            Self::TransportError => "The client broke the rules of its transport.",
            Self::ClientTimeout => {
                "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
            }
            Self::SlowConsumer => "The client does not read what it is sent.",
            Self::SendTimeout => "A write to the client stayed blocked for too long.",
            Self::AckTimeout => "The client did not acknowledge in time what it was sent.",
            Self::ReconnectTimeout => "The client did not resume the connection in time.",
            Self::InternalError => "The connection ended because of an error on the server.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_end_has_no_error() {
        use DisconnectReason as Reason;
        let clean = [Reason::ClientClosed, Reason::TransportClosed, Reason::TransportLost];
        let by_server = [Reason::Aborted, Reason::UserDisconnected, Reason::TokenExpired, Reason::Shutdown];
        for reason in clean.into_iter().chain(by_server) {
            assert_eq!(reason.error(), None, "{reason:?}");
        }
    }

    #[test]
    fn every_other_end_has_its_error() {
        use DisconnectReason as Reason;
        for make in [
            Reason::ClientError,
            Reason::Rejected,
            Reason::ResumeFailed,
            Reason::ProtocolError,
            Reason::HandshakeFailed,
        ] {
            let reason = make("in its own words".to_owned());
            assert_eq!(reason.error(), Some("in its own words"), "{reason:?}");
        }
        for (reason, error) in [
            (Reason::TransportError, "The client broke the rules of its transport."),
            (
                Reason::ClientTimeout,
                "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.",
            ),
            (Reason::SlowConsumer, "The client does not read what it is sent."),
            (Reason::SendTimeout, "A write to the client stayed blocked for too long."),
            (Reason::AckTimeout, "The client did not acknowledge in time what it was sent."),
            (Reason::ReconnectTimeout, "The client did not resume the connection in time."),
            (Reason::InternalError, "The connection ended because of an error on the server."),
        ] {
            assert_eq!(reason.error(), Some(error));
        }
    }
}
