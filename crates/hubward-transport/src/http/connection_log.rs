//! The one log line about a request that opened a connection or was refused, unless a flood of them is only counted.
//! No token and no part of one is in it.

use hubward_auth::BearerTokenError;
use hubward_types::{ConnectionId, UserId, brief_name};
use tracing::Level;

use super::caller::Caller;
use crate::endpoint::Endpoint;
use crate::log_limit::Lines;
use crate::refusal::Refusal;
use crate::transport::Transport;

/// What is known of the request so far.
pub(crate) struct ConnectionLog {
    pub(crate) transport: Option<Transport>,
    pub(crate) connection_id: Option<ConnectionId>,
    user: Option<UserId>,
    /// Why the bearer token was refused. On a hub that is open to all the request may still be accepted.
    token_error: Option<BearerTokenError>,
}

/// What a client chose is quoted, so that it cannot pass for another line; the hub and the id of the connection are the server's.
macro_rules! line {
    ($level:ident, $log:expr, $hub:expr, $reason:expr, $message:literal) => {
        tracing::$level!(
            user = $log.user.as_ref().map(|user| brief_name(user.as_str())).as_deref(),
            hub = %$hub,
            transport = $log.transport.map(Transport::name),
            connection_id = $log.connection_id.as_ref().map(|id| tracing::field::display(brief_name(id.as_str()))),
            reason = $reason,
            token_error = $log.token_error.map(BearerTokenError::label),
            $message
        )
    };
}

impl ConnectionLog {
    pub(crate) fn new(caller: &Caller) -> Self {
        Self {
            transport: None,
            connection_id: None,
            user: caller.principal.user_id().cloned(),
            token_error: caller.token_error,
        }
    }

    /// Logs that a connection is accepted. A client may open and drop connections as fast as it can: of such a flood there
    /// is only the number.
    pub(crate) fn accepted(&self, endpoint: &Endpoint) {
        let hub = &endpoint.hub;
        let named = hub.clone();
        let rest = move |accepted| tracing::info!(hub = %named, accepted, "More connections were accepted.");
        if endpoint.log_limit.allows(("accepted", None), Lines::Many, rest) {
            line!(info, self, hub, None::<&str>, "A connection was accepted.");
        }
    }

    /// Logs at INFO who was refused, and at DEBUG what a misbehaving client can cause at will. A flood of either is a few
    /// lines, and their number.
    pub(crate) fn refused(&self, endpoint: &Endpoint, refusal: Refusal) {
        let (hub, reason) = (&endpoint.hub, refusal.reason());
        let token_error = self.token_error.map(BearerTokenError::label);
        let kind = (reason, token_error);
        let named = hub.clone();
        if is_for_operators(refusal) {
            let rest = move |refused| {
                tracing::info!(hub = %named, reason, token_error, refused, "More connections were refused.");
            };
            if endpoint.log_limit.allows(kind, Lines::Few, rest) {
                line!(info, self, hub, reason, "A connection was refused.");
            }
        } else if tracing::enabled!(Level::DEBUG) {
            let rest = move |refused| {
                tracing::debug!(hub = %named, reason, token_error, refused, "More connections were refused.");
            };
            if endpoint.log_limit.allows(kind, Lines::Few, rest) {
                line!(debug, self, hub, reason, "A connection was refused.");
            }
        }
    }
}

/// Whether an operator should see that somebody was refused.
fn is_for_operators(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Unauthenticated(_)
        | Refusal::Forbidden
        | Refusal::OriginNotAllowed
        | Refusal::UserChanged
        | Refusal::TooManyWaiting
        | Refusal::HeadersTooLarge
        | Refusal::Draining
        | Refusal::OwnerSilent
        | Refusal::OwnerBusy
        | Refusal::OwnerUnknown
        | Refusal::TooManyForwarded => true,
        Refusal::MethodNotAllowed
        | Refusal::IdRequired
        | Refusal::UnknownId
        | Refusal::TransportDisabled(_)
        | Refusal::TransportChanged
        | Refusal::AlreadyActive
        | Refusal::PostOnWebSocket
        | Refusal::ConnectionEnded
        | Refusal::BodyAborted
        | Refusal::BodyTooLarge
        | Refusal::TooManyPosts
        | Refusal::NotTerminable
        | Refusal::WebSocketVersion
        | Refusal::WebSocketHandshake
        | Refusal::Misdirected => false,
    }
}
