//! Which node a connection belongs to. This is the one place that decides whether a connection which the registry
//! does not know may begin here: one that belongs to another node is unknown here.

use std::time::{Duration, SystemTime};

use hubward_auth::{ConnectionTokenClaims, KeyRing};
use hubward_types::{HubName, NodeId};

use crate::refusal::Refusal;
use crate::transport::Transport;

/// How far the clock of another node may be behind: more than NTP leaves, and little beside the connect timeout.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Opens a connection token and checks that it is for this hub. One that another node sealed, by a clock of its own, expires
/// a little later; when it was issued does not matter, so that its clock may be ahead as well.
pub(crate) fn open(
    keys: &KeyRing,
    node_id: &NodeId,
    hub: &HubName,
    token: &str,
) -> Result<ConnectionTokenClaims, Refusal> {
    let mut claims = keys.open(token).ok().filter(|claims| claims.hub == *hub).ok_or(Refusal::UnknownId)?;
    if claims.owner != *node_id {
        claims.expires_at = claims.expires_at.checked_add(CLOCK_SKEW).unwrap_or(claims.expires_at);
    }
    Ok(claims)
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
        let opened = |keys: &KeyRing, hub: &HubName, token: &str| open(keys, &claims.owner, hub, token);
        assert_eq!(opened(&keys, &claims.hub, token.expose()), Ok(claims.clone()));
        assert_eq!(opened(&keys, &"other".into(), token.expose()), Err(Refusal::UnknownId));
        assert_eq!(opened(&KeyRing::random(), &claims.hub, token.expose()), Err(Refusal::UnknownId));
        assert_eq!(opened(&keys, &claims.hub, "not a token"), Err(Refusal::UnknownId));
    }

    #[test]
    fn another_nodes_token_opens_though_its_clock_is_some_seconds_ahead_or_behind() {
        let (keys, sealed) = (KeyRing::random(), claims(SystemTime::UNIX_EPOCH + Duration::from_secs(60)));
        let token = keys.seal(&sealed);
        let begin = |node: &NodeId, now| {
            let claims = open(&keys, node, &sealed.hub, token.expose())?;
            may_begin_here(node, &claims, Some(Transport::WebSockets), now)
        };
        let (other, seconds) = (NodeId::from("other"), Duration::from_secs);
        assert_eq!(begin(&other, sealed.issued_at - seconds(4)), Ok(()), "it was issued in the future");
        assert_eq!(begin(&other, sealed.expires_at + seconds(4)), Ok(()), "it has expired just now");
        assert_eq!(begin(&other, sealed.expires_at + seconds(6)), Err(Refusal::UnknownId));
        assert_eq!(begin(&sealed.owner, sealed.expires_at), Err(Refusal::UnknownId), "it is our own clock");
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
