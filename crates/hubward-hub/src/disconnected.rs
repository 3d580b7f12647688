//! Why a connection ended, as `on_disconnected` learns it. The server's table of close reasons has more columns:
//! what the client is sent, and how it is logged.

use crate::error::ArgumentError;
use crate::parameter::{CallReader, FromCall, Parameter};

/// The end of a connection. A parameter of `on_disconnected`.
///
/// ```
/// use hubward_hub::{DisconnectReason, Disconnected, Hub, HubContext};
///
/// async fn farewell(cx: HubContext, Disconnected { reason }: Disconnected) {
///     if reason == DisconnectReason::SlowConsumer {
///         tracing::warn!(connection_id = %cx.connection_id(), "A client reads too slowly.");
///     }
/// }
/// let hub: Hub = Hub::new("wards").on_disconnected(farewell);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Why the connection ended.
    pub reason: DisconnectReason,
}

impl Disconnected {
    /// Returns what ASP.NET Core passes to `OnDisconnectedAsync` as the exception: absent where the connection
    /// ended cleanly.
    pub fn error(&self) -> Option<&str> {
        self.reason.error()
    }
}

impl<S> Parameter<S, FromCall> for Disconnected {
    fn take(call: &mut CallReader<'_, '_, S>) -> Result<Self, ArgumentError> {
        let reason = call.incoming.context.disconnect_reason().ok_or(ArgumentError::StillConnected)?;
        Ok(Self { reason: reason.clone() })
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client closed the connection with a Close message.
    ClientClosed,
    /// The client closed the connection with a Close message that carries this error.
    ClientError(String),
    /// The client closed its transport without a Close message.
    TransportClosed,
    /// The transport was cut.
    TransportLost,
    /// The client broke the rules of its transport.
    TransportError,
    /// The hub, or another part of the program, aborted the connection.
    Aborted,
    /// `on_connected` failed; this is what the client was sent. `on_disconnected` does not run for it.
    Rejected(String),
    /// The client broke the hub protocol in this way.
    ProtocolError(String),
    /// The handshake failed for this reason. `on_disconnected` does not run for it.
    HandshakeFailed(String),
    /// The client sent nothing, not even a ping, within `HubOptions::client_timeout`.
    ClientTimeout,
    /// The client does not read what it is sent: its mailbox was full.
    SlowConsumer,
    /// A write to the client stayed blocked for longer than `HubOptions::send_timeout`.
    SendTimeout,
    /// The client did not acknowledge in time what it was sent (stateful reconnect).
    AckTimeout,
    /// The client did not resume a cut connection in time (stateful reconnect).
    ReconnectTimeout,
    /// The client's token expired.
    TokenExpired,
    /// The node is shutting down.
    Shutdown,
}

impl DisconnectReason {
    /// Returns the error in words: absent where the connection ended cleanly.
    pub fn error(&self) -> Option<&str> {
        Some(match self {
            Self::ClientClosed | Self::TransportClosed | Self::TransportLost => return None,
            Self::Aborted | Self::TokenExpired | Self::Shutdown => return None,
            Self::ClientError(error) | Self::Rejected(error) => error,
            Self::ProtocolError(error) | Self::HandshakeFailed(error) => error,
            Self::TransportError => "The client broke the rules of its transport.",
            Self::ClientTimeout => {
                "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
            }
            Self::SlowConsumer => "The client does not read what it is sent.",
            Self::SendTimeout => "A write to the client stayed blocked for too long.",
            Self::AckTimeout => "The client did not acknowledge in time what it was sent.",
            Self::ReconnectTimeout => "The client did not resume the connection in time.",
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
        for reason in clean.into_iter().chain([Reason::Aborted, Reason::TokenExpired, Reason::Shutdown]) {
            assert_eq!(Disconnected { reason: reason.clone() }.error(), None, "{reason:?}");
        }
    }

    #[test]
    fn every_other_end_has_its_error() {
        use DisconnectReason as Reason;
        for make in [Reason::ClientError, Reason::Rejected, Reason::ProtocolError, Reason::HandshakeFailed] {
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
        ] {
            assert_eq!(reason.error(), Some(error));
        }
    }
}
