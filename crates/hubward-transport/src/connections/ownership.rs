//! Which node a connection belongs to. This is the one place that decides whether a connection which the registry
//! does not know may begin here: one that belongs to another node is unknown here.

use std::time::SystemTime;

use hubward_auth::{ConnectionTokenClaims, KeyRing};
use hubward_types::{HubName, NodeId};

use crate::refusal::Refusal;
use crate::transport::Transport;

/// Opens a connection token and checks that it is for this hub.
pub(crate) fn open(keys: &KeyRing, hub: &HubName, token: &str) -> Result<ConnectionTokenClaims, Refusal> {
    match keys.open(token) {
        Ok(claims) if claims.hub == *hub => Ok(claims),
        _ => Err(Refusal::UnknownId),
    }
}

/// Decides whether a connection that this node does not know may begin here.
///
/// A WebSocket may begin on any node, since all of it stays on that node, if no other node has claimed its token. The
/// other transports are many requests, which all nodes route to the node that the token names.
pub(crate) fn may_begin_here(
    node_id: &NodeId,
    claims: &ConnectionTokenClaims,
    transport: Option<Transport>,
    now: SystemTime,
) -> Result<(), Refusal> {
    let here = transport == Some(Transport::WebSockets) || claims.owner == *node_id;
    if here && now < claims.expires_at { Ok(()) } else { Err(Refusal::UnknownId) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_support::claims;

    #[test]
    fn a_token_opens_on_its_own_hub_only() {
        let (keys, claims) = (KeyRing::random(), claims(SystemTime::UNIX_EPOCH));
        let token = keys.seal(&claims);
        assert_eq!(open(&keys, &claims.hub, token.expose()).unwrap().connection_id, claims.connection_id);
        assert_eq!(open(&keys, &"other".into(), token.expose()).err(), Some(Refusal::UnknownId));
        assert_eq!(open(&KeyRing::random(), &claims.hub, token.expose()).err(), Some(Refusal::UnknownId));
        assert_eq!(open(&keys, &claims.hub, "not a token").err(), Some(Refusal::UnknownId));
    }

    #[test]
    fn a_web_socket_begins_on_any_node_and_other_transports_on_their_owner_only() {
        let claims = claims(SystemTime::UNIX_EPOCH);
        let (owner, other) = (claims.owner.clone(), NodeId::from("other"));
        for (node_id, transport, here) in [
            (&owner, Some(Transport::WebSockets), true),
            (&owner, Some(Transport::LongPolling), true),
            (&owner, None, true),
            (&other, Some(Transport::WebSockets), true),
            (&other, Some(Transport::ServerSentEvents), false),
            (&other, Some(Transport::LongPolling), false),
            (&other, None, false),
        ] {
            let decided = may_begin_here(node_id, &claims, transport, claims.issued_at);
            assert_eq!(decided.is_ok(), here, "{node_id} {transport:?}");
        }
    }

    #[test]
    fn nothing_begins_once_its_token_has_expired() {
        let claims = claims(SystemTime::UNIX_EPOCH);
        let begin = |now| may_begin_here(&claims.owner, &claims, Some(Transport::WebSockets), now);
        assert_eq!(begin(claims.expires_at - Duration::from_nanos(1)), Ok(()));
        assert_eq!(begin(claims.expires_at), Err(Refusal::UnknownId));
    }
}
