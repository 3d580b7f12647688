//! What a connection's start and end mean for groups and subscriptions.

use std::sync::Arc;

use hubward_backplane::Topic;
use hubward_hub::{GroupError, HubConnection};

use super::store_failed;
use super::user::{expire_after, start_delivering_for_user};
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// A connection has opened: subscribes to what other nodes publish for it, and delivers the groups of its user.
pub(crate) async fn connected(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
) -> Result<(), GroupError> {
    let (hub, context) = (engine.name(), &engine.context);
    if context.backplane.is_some() {
        let own = Topic::Connection(hub.clone(), connection.id.clone());
        let user = connection.principal.user_id().map(|user| Topic::User(hub.clone(), user.clone()));
        for topic in std::iter::once(own).chain(user) {
            context.subscriptions.add(topic.clone()).await.map_err(store_failed)?;
            connection.note_topic(topic);
        }
    }
    let Some(user) = connection.principal.user_id() else { return Ok(()) };
    let groups = context.store.groups_of_user(hub, user).await.map_err(store_failed)?;
    for (group, ttl) in groups {
        start_delivering_for_user(engine, connection, &group).await;
        // Cancelled with the connection, so that one that comes and goes leaves no task behind.
        expire_after(engine.clone(), user.clone(), group, ttl, connection.connection_closed());
    }
    Ok(())
}

/// A connection has closed: nothing is delivered for it any more, on this node or from others.
pub(crate) async fn disconnected(engine: &Engine, connection: &ConnectionHandle) {
    let (hub, context) = (engine.name(), &engine.context);
    let (groups, left) = engine.index.remove(connection);
    if context.backplane.is_some() {
        for topic in connection.take_topics() {
            context.subscriptions.remove(&topic);
        }
        // Only what was delivered for is subscribed to: a join that is still under way removes its own interest.
        for group in left {
            context.subscriptions.remove(&Topic::Group(hub.clone(), group));
        }
    }
    if groups.is_empty() {
        return;
    }
    if let Err(error) = context.store.end_connection(hub, &connection.id).await {
        let groups = groups.len();
        tracing::warn!(%hub, groups, %error, "The groups of a closed connection could not be removed from the store.");
    }
}
