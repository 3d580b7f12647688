//! What happens to groups and subscriptions when a connection opens and when it closes.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{OpenConnection, OpenedConnection, StoreError, Topic};
use hubward_hub::GroupError;

use super::{backplane_failed, changes, store_failed, user};
use crate::connection::groups::GroupChange;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Records a connection that has opened, subscribes to what other nodes publish for its user, and delivers the groups of
/// its user.
pub(crate) async fn connected(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
) -> Result<(), GroupError> {
    let (hub, context, user) = (engine.name(), &engine.context, connection.principal.user_id());
    // From before the groups are read: a change that is announced meanwhile makes them out of date.
    let changing = user.map(|user| engine.users.enter(user));
    let subscribe = async {
        let Some(user) = user.filter(|_| context.backplane.is_some()) else { return Ok(()) };
        let subscribed = context.subscriptions.add_one(Topic::User(hub.clone(), user.clone())).await;
        if subscribed.is_ok() {
            connection.set_user_subscribed(true);
        }
        subscribed
    };
    let (opened, subscribed) = tokio::join!(open(engine, connection), subscribe);
    subscribed.map_err(backplane_failed)?;
    let opened = opened.map_err(store_failed)?;
    let (Some(user), Some(changing)) = (user, &changing) else { return Ok(()) };
    let _turn = changing.turn().await;
    let groups = if changing.is_outdated() {
        context.store.groups_of_user(hub, user).await.map_err(store_failed)?
    } else {
        opened.groups
    };
    user::deliver_groups(engine, connection, user, groups).await
}

/// Records the connection, where nodes share the store; returns what the store has about its user.
async fn open(engine: &Engine, connection: &ConnectionHandle) -> Result<OpenedConnection, StoreError> {
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

/// Longer than a connection token can be used.
const CLAIM: Duration = Duration::from_secs(60);

/// Ends delivery to a connection that has closed, from this node and from others, and removes its memberships.
pub(crate) async fn disconnected(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    engine.index.remove(connection);
    // After the changes that were made before; none is made afterwards. It reports no error.
    let _ = changes::change(engine, connection, GroupChange::End).await;
    if let Some(user) = connection.principal.user_id()
        && connection.set_user_subscribed(false)
    {
        engine.context.subscriptions.remove(&Topic::User(engine.name().clone(), user.clone()));
    }
}

#[cfg(test)]
mod tests;
