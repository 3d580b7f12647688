//! What happens to groups and subscriptions when a connection opens and when it closes.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{OpenConnection, OpenedConnection, StoreError, Topic};
use hubward_hub::GroupError;

use super::{backplane_failed, changes, store_failed, user};
use crate::connection::groups::GroupChange;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Makes a connection reachable. Where it has to be recorded first, changes of its groups wait for that.
pub(crate) fn enter(engine: &Engine, connection: &Arc<ConnectionHandle>) {
    if engine.context.registry.is_some() {
        connection.groups.hold();
    }
    engine.index.add(connection);
}

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
    let opening = async {
        // Also where it panics: the connection's end waits for its turn.
        scopeguard::defer! { changes::release(engine, connection) }
        open(engine, connection).await
    };
    let (opened, subscribed) = tokio::join!(opening, subscribe);
    subscribed.map_err(backplane_failed)?;
    let groups = user::timed_groups(opened.map_err(store_failed)?.groups);
    let (Some(user), Some(changing)) = (user, &changing) else { return Ok(()) };
    let _turn = changing.turn().await;
    let groups = if changing.is_outdated() {
        user::timed_groups(context.store.groups_of_user(hub, user).await.map_err(store_failed)?)
    } else {
        groups
    };
    user::connected(engine, connection, user, groups).await;
    Ok(())
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
    let of_user = connection.groups.all().into_iter().filter(|(_, reasons)| reasons.user);
    let of_user = of_user.map(|(group, _)| group).collect();
    // After the changes that were made before; none is made afterwards. It reports no error.
    let _ = changes::change(engine, connection, GroupChange::End).await;
    let Some(user) = connection.principal.user_id() else { return };
    if connection.set_user_subscribed(false) {
        engine.context.subscriptions.remove(&Topic::User(engine.name().clone(), user.clone()));
    }
    user::disconnected(engine, user, of_user).await;
}

#[cfg(test)]
mod tests;
