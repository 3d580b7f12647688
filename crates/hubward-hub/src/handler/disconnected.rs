//! Why a connection ended, as a parameter of `on_disconnected`.

use crate::connection::disconnect_reason::DisconnectReason;
use crate::error::ArgumentError;
use crate::handler::parameter::{CallReader, FromCall, Parameter};

/// The end of a connection. A parameter of `on_disconnected`, and of nothing else: elsewhere the call fails.
///
/// ```
/// use hubward_hub::{DisconnectReason, Disconnected, Hub, HubContext};
///
/// async fn note(cx: HubContext, Disconnected { reason }: Disconnected) {
///     if reason == DisconnectReason::SlowConsumer {
///         tracing::warn!(connection_id = %cx.connection_id(), "A client reads too slowly.");
///     }
/// }
/// let hub: Hub = Hub::new("wards").on_disconnected(note);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Why the connection ended.
    pub reason: DisconnectReason,
}

impl Disconnected {
    /// Returns what ASP.NET Core passes to `OnDisconnectedAsync` as the exception: absent where the connection ended
    /// cleanly.
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
