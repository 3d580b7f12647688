//! A user's membership: it holds for all connections of the user, present and future, on every node, until it is
//! removed or expires.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{Body, Member, Topic};
use hubward_hub::GroupError;
use hubward_types::{GroupName, UserId};
use tokio_util::sync::CancellationToken;

use super::connection::{check_name, check_rule, start_delivering, stop_delivering};
use super::{backplane_failed, store_failed};
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Adds a user to a group.
pub(crate) async fn add(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    engine.context.store.add_user(engine.name(), &group, &user, ttl).await.map_err(store_failed)?;
    joined(engine.clone(), user.clone(), group.clone(), ttl).await;
    if let Some(backplane) = engine.context.other_nodes() {
        // Rounded up: a node that checks the store before the membership has expired there would find it, and not
        // check again.
        let ttl_ms = ttl.map(|ttl| u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let envelope = engine.context.envelope(Body::UserJoined { group, ttl_ms });
        let topic = Topic::User(engine.name().clone(), user);
        backplane.publish(&topic, envelope).await.map_err(backplane_failed)?;
    }
    Ok(())
}

/// Removes a user from a group. Where the store fails, delivery on this node stops all the same.
pub(crate) async fn remove(engine: Arc<Engine>, user: UserId, group: GroupName) -> Result<(), GroupError> {
    let removed = engine.context.store.remove_user(engine.name(), &group, &user).await.map_err(store_failed);
    match &removed {
        Ok(()) => left(&engine, &user, &group).await,
        // The store may still have the membership, and would keep the delivery alive.
        Err(_) => stop_delivering_for_user(&engine, &user, &group).await,
    }
    if let Some(backplane) = engine.context.other_nodes() {
        let envelope = engine.context.envelope(Body::UserLeft { group });
        let topic = Topic::User(engine.name().clone(), user);
        let published = backplane.publish(&topic, envelope).await.map_err(backplane_failed);
        // A failure of the store counts before one of the backplane: the user is then still a member.
        return removed.and(published.map(|_| ()));
    }
    removed
}

/// Delivers a group that a user was added to, to the user's connections on this node.
pub(crate) async fn joined(engine: Arc<Engine>, user: UserId, group: GroupName, ttl: Option<Duration>) {
    for connection in connections_of(&engine, &user) {
        start_delivering_for_user(&engine, &connection, &group).await;
    }
    expire_after(&engine, user, group, ttl, CancellationToken::new());
}

/// Delivers a group of a connection's user to the connection, if the hub's rule allows. A failure is logged, not
/// returned: the user is a member all the same.
pub(crate) async fn start_delivering_for_user(
    engine: &Engine,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
) {
    let delivering = match check_rule(engine, connection, group) {
        Ok(()) => start_delivering(engine, connection, group).await,
        Err(refused) => Err(refused),
    };
    if let Err(error) = delivering {
        let user = connection.principal.user_id();
        tracing::warn!(hub = %engine.name(), ?user, %error, "A group of a user is not delivered to a connection.");
    }
    if connection.is_closed() {
        stop_delivering(engine, connection, group);
    }
}

/// Checks the store when a user's membership is due to expire, unless `obsolete` is cancelled before. It waits without
/// holding the engine, so that a dropped node is freed however long the TTL is.
pub(crate) fn expire_after(
    engine: &Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
    obsolete: CancellationToken,
) {
    let Some(ttl) = ttl else { return };
    let (weak, shutdown) = (Arc::downgrade(engine), engine.context.shutdown.clone());
    engine.context.tasks.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(ttl) => {}
            () = shutdown.cancelled() => return,
            () = obsolete.cancelled() => return,
        }
        if let Some(engine) = weak.upgrade() {
            left(&engine, &user, &group).await;
        }
    });
}

/// Checks whether a user's membership has ended. Unless the store confirms that it lasts, delivery stops to those
/// connections of the user on this node that are not members by themselves.
pub(crate) async fn left(engine: &Engine, user: &UserId, group: &GroupName) {
    match engine.context.store.contains(engine.name(), group, &Member::User(user.clone())).await {
        Ok(true) => return,
        Ok(false) => {}
        // Fail closed: where the store cannot be read, nobody keeps a membership that may have ended.
        Err(error) => {
            tracing::warn!(%error, "The group store could not report whether a user is still a member.")
        }
    }
    stop_delivering_for_user(engine, user, group).await;
}

/// Delivers a group no more to those connections of a user on this node that are not members by themselves.
async fn stop_delivering_for_user(engine: &Engine, user: &UserId, group: &GroupName) {
    let store = &engine.context.store;
    for connection in connections_of(engine, user) {
        let member = Member::Connection(connection.id.clone());
        if !matches!(store.contains(engine.name(), group, &member).await, Ok(true)) {
            stop_delivering(engine, &connection, group);
        }
    }
}

fn connections_of(engine: &Engine, user: &UserId) -> Vec<Arc<ConnectionHandle>> {
    let mut connections = Vec::new();
    engine.index.for_user(user, |connection| connections.push(connection.clone()));
    connections
}

#[cfg(test)]
mod tests;
