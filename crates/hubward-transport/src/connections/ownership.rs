//! Which node a connection belongs to. This is the one place where "unknown here" is decided for a connection that
//! the registry does not know: what belongs to another node is not known here.

use std::time::SystemTime;

use hubward_auth::ConnectionTokenClaims;
use hubward_types::HubName;

use crate::refusal::Refusal;
use crate::{ConnectionManager, Transport};

/// Opens a connection token and checks that it is for this hub.
pub(crate) fn open(
    manager: &ConnectionManager,
    hub: &HubName,
    token: &str,
) -> Result<ConnectionTokenClaims, Refusal> {
    match manager.keys().open(token) {
        Ok(sealed) if sealed.hub == *hub => Ok(sealed),
        _ => Err(Refusal::UnknownId),
    }
}

/// Decides whether a connection that this node does not know may begin here.
///
/// A WebSocket may begin on any node, since all of it stays on that node. The other transports are many requests,
/// and all nodes send them to the node that the token names.
pub(crate) fn may_begin_here(
    manager: &ConnectionManager,
    sealed: &ConnectionTokenClaims,
    transport: Option<Transport>,
    now: SystemTime,
) -> Result<(), Refusal> {
    let here = transport == Some(Transport::WebSockets) || sealed.owner == *manager.node_id();
    if here && now < sealed.expires_at { Ok(()) } else { Err(Refusal::UnknownId) }
}
