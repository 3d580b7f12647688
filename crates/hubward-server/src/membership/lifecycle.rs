//! What happens to groups and subscriptions when a connection opens and when it closes.

use std::sync::Arc;

use hubward_backplane::Topic;
use hubward_hub::{GroupError, HubConnection};

use super::user::{expire_after, start_delivering_for_user};
use super::{backplane_failed, store_failed};
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Subscribes to what other nodes publish for a connection that has opened, and delivers the groups of its user.
pub(crate) async fn connected(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
) -> Result<(), GroupError> {
    let (hub, context) = (engine.name(), &engine.context);
    if context.backplane.is_some() {
        let own = Topic::Connection(hub.clone(), connection.id.clone());
        let user = connection.principal.user_id().map(|user| Topic::User(hub.clone(), user.clone()));
        for topic in std::iter::once(own).chain(user) {
            context.subscriptions.add(topic.clone()).await.map_err(backplane_failed)?;
            connection.note_topic(topic);
        }
    }
    let Some(user) = connection.principal.user_id() else { return Ok(()) };
    let groups = context.store.groups_of_user(hub, user).await.map_err(store_failed)?;
    for (group, ttl) in groups {
        start_delivering_for_user(engine, connection, &group).await;
        // Cancelled when the connection closes, so that a short one leaves no task behind.
        expire_after(engine, user.clone(), group, ttl, connection.connection_closed());
    }
    Ok(())
}

/// Ends delivery to a connection that has closed, from this node and from others, and removes its memberships.
pub(crate) async fn disconnected(engine: &Engine, connection: &ConnectionHandle) {
    let (hub, context) = (engine.name(), &engine.context);
    let (groups, left) = engine.index.remove(connection);
    if context.backplane.is_some() {
        for topic in connection.take_topics() {
            context.subscriptions.remove(&topic);
        }
        // A noted group that is not in the index belongs to a join under way, which removes its own interest.
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

#[cfg(test)]
mod tests;
