//! What the store has of a connection: when it opens, and when it is put back.

use std::time::Duration;

use hubward_backplane::{HeldConnection, OpenConnection, OpenedConnection, StoreError};

use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Longer than a connection token can be used.
const CLAIM: Duration = Duration::from_secs(60);

/// Records a connection that opens, where nodes share the store; returns what the store has about its user.
pub(crate) async fn open(
    engine: &Engine,
    connection: &ConnectionHandle,
) -> Result<OpenedConnection, StoreError> {
    let (context, user) = (&engine.context, connection.principal.user_id());
    if context.registry.is_some() {
        let opening = OpenConnection {
            hub: engine.name().clone(),
            connection: connection.id.clone(),
            user: user.cloned(),
            owner: context.owner(),
            claim: CLAIM,
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
    }
}
