//! What the store has of a connection: when it opens, and when it is put back.

use std::time::{Duration, SystemTime};

use hubward_backplane::{HeldConnection, OpenConnection, OpenedConnection, StoreError};
use hubward_types::{ConnectionId, UserId};

use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// How much longer than its token is valid here a connection's id is claimed: the clocks of other nodes may be late.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Records a connection that opens, where nodes share the store; returns what the store has about its user.
pub(crate) async fn open(
    engine: &Engine,
    connection: &ConnectionId,
    user: Option<&UserId>,
    token_expires_at: Option<SystemTime>,
) -> Result<OpenedConnection, StoreError> {
    let context = &engine.context;
    if context.registry.is_some() {
        let opening = OpenConnection {
            hub: engine.name().clone(),
            connection: connection.clone(),
            user: user.cloned(),
            owner: context.owner(),
            claim: claim(token_expires_at),
        };
        return context.store.open_connection(opening).await;
    }
    let Some(user) = user else { return Ok(OpenedConnection::default()) };
    Ok(OpenedConnection::new(context.store.groups_of_user(engine.name(), user).await?))
}

/// Returns a connection as it is put back.
pub(crate) fn held(engine: &Engine, connection: &ConnectionHandle) -> HeldConnection {
    let own = connection.groups.all().into_iter().filter(|(_, reasons)| reasons.own);
    HeldConnection {
        hub: engine.name().clone(),
        connection: connection.id.clone(),
        user: connection.principal.user_id().cloned(),
        groups: own.map(|(group, _)| group).collect(),
        claim: claim(connection.token_expires_at()),
    }
}

/// For how long a connection's id has to be claimed, so that its token opens no other. Without a token nobody else can
/// have the id.
pub(crate) fn claim(token_expires_at: Option<SystemTime>) -> Duration {
    let until = token_expires_at.and_then(|at| at.checked_add(CLOCK_SKEW));
    until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_claimed_for_as_long_as_its_token_may_be_used_on_any_node() {
        let (now, minute) = (SystemTime::now(), Duration::from_secs(60));
        let lasting = claim(Some(now + minute));
        assert!(lasting > minute && lasting <= minute + CLOCK_SKEW, "{lasting:?}");
        assert!(claim(Some(now)) > Duration::ZERO, "another node's clock may be late");
        assert_eq!(claim(Some(now - minute)), Duration::ZERO);
        assert_eq!(claim(None), Duration::ZERO);
    }
}
