//! A user's membership: it holds for all connections of the user, present and future, on every node, until it is
//! removed or expires.
//!
//! A change is recorded in the store, which names the nodes that hold connections of the user. Each of them reads the
//! store again, so that the order in which changes arrive does not matter, and confirms what it has done.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::{Body, MAX_USERS_AT_ONCE, StoreError, UserChange, UserMembership};
use hubward_expiry::Deadlines;
use hubward_hub::GroupError;
use hubward_types::{GroupName, UserId};
use tokio::time::Instant;

use super::changes;
use super::connection::not_confirmed;
use super::rules::check_name;
use super::store_failed;
use crate::cluster::requests::request;
use crate::connection::groups::GroupChange;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// How many memberships that expire at the same time are read from the store at once.
const READ_AT_ONCE: usize = 64;

/// How long after a failure the store is read again.
pub(crate) const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Adds a user to a group; returns when every node that holds the user delivers.
pub(crate) async fn add(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    let changed =
        engine.context.store.add_user(engine.name(), &group, &user, ttl).await.map_err(store_failed)?;
    apply_everywhere(&engine, &user, &group, changed).await
}

/// Removes a user from a group; returns when no node delivers any more. Where the store fails, delivery on this node
/// stops all the same.
pub(crate) async fn remove(engine: Arc<Engine>, user: UserId, group: GroupName) -> Result<(), GroupError> {
    match engine.context.store.remove_user(engine.name(), &group, &user).await {
        Ok(changed) => apply_everywhere(&engine, &user, &group, changed).await,
        Err(error) => {
            // The store may still have the membership, and would keep the delivery alive.
            let changing = engine.users.enter(&user);
            let _turn = changing.turn().await;
            to_all(&engine, &user, &GroupChange::UserLeft(group)).await;
            Err(store_failed(error))
        }
    }
}

/// Lets every node that holds the user read the change. What has begun goes on when the caller stops waiting.
async fn apply_everywhere(
    engine: &Arc<Engine>,
    user: &UserId,
    group: &GroupName,
    changed: UserChange,
) -> Result<(), GroupError> {
    let context = &engine.context;
    let timeout = engine.definition.options.confirmation_timeout;
    let elsewhere = changed.nodes.into_iter().filter(|node| *node != context.id).map(|node| {
        let (engine, user, group) = (engine.clone(), user.clone(), group.clone());
        context.tasks.spawn(async move {
            request(&engine.context, &node, timeout, |id| {
                let (hub, user, group) = (engine.name().clone(), user.clone(), group.clone());
                Body::UserChanged { id, hub, user, group }
            })
            .await
        })
    });
    let elsewhere: Vec<_> = elsewhere.collect();
    let (of_engine, of_user, of_group) = (engine.clone(), user.clone(), group.clone());
    let here = context.tasks.spawn(async move { apply(&of_engine, &of_user, &of_group).await });
    let here = here.await.unwrap_or(Ok(()));
    let confirmed = join_all(elsewhere).await.into_iter().flatten();
    confirmed.fold(here, |all, one| all.and(one.map_err(not_confirmed)))
}

/// Reads whether a user is a member of a group, and delivers to the user's connections of this node accordingly. Fails
/// closed: what cannot be read is not delivered, and is read again later.
pub(crate) async fn apply(engine: &Arc<Engine>, user: &UserId, group: &GroupName) -> Result<(), GroupError> {
    let changing = engine.users.enter(user);
    changing.announce();
    let _turn = changing.turn().await;
    let read = engine.context.store.user_membership(engine.name(), group, user).await;
    let change = match &read {
        Ok(Some(membership)) => {
            expire_later(engine, user, membership);
            GroupChange::UserJoined(vec![group.clone()])
        }
        Ok(None) => {
            engine.expiries.remove(&(user.clone(), group.clone()));
            GroupChange::UserLeft(group.clone())
        }
        Err(error) => {
            tracing::warn!(hub = %engine.name(), %error, "The group store could not report whether a user is a member; it is read again.");
            expire_later(engine, user, &(group.clone(), Some(READ_AGAIN_AFTER)));
            GroupChange::UserLeft(group.clone())
        }
    };
    to_all(engine, user, &change).await;
    read.map(|_| ()).map_err(store_failed)
}

/// Reads the groups of all local users again, after changes of them may have been missed.
pub(crate) async fn read_again(engine: Arc<Engine>) {
    let mut pause = READ_AGAIN_AFTER / 8;
    for users in engine.index.users().chunks(MAX_USERS_AT_ONCE) {
        while let Err(error) = read_users_again(&engine, users).await {
            tracing::warn!(hub = %engine.name(), %error, "The groups of users could not be read again yet.");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(READ_AGAIN_AFTER * 4),
                () = engine.context.shutdown.cancelled() => return,
            }
        }
    }
}

/// Reads the groups of several users in one call, and delivers them and no others.
async fn read_users_again(engine: &Arc<Engine>, users: &[UserId]) -> Result<(), StoreError> {
    // A connect that read the groups before this may have missed a change: it reads them again.
    users.iter().for_each(|user| engine.users.enter(user).announce());
    let changing: Vec<_> = users.iter().map(|user| engine.users.enter(user)).collect();
    let (store, hub) = (&engine.context.store, engine.name());
    let groups = store.groups_of_users(hub, users.to_vec()).await?;
    for (changing, (user, groups)) in changing.iter().zip(users.iter().zip(groups)) {
        let _turn = changing.turn().await;
        // A change was announced since: it may have been carried out before this.
        let groups = if changing.is_outdated() { store.groups_of_user(hub, user).await? } else { groups };
        groups.iter().for_each(|membership| expire_later(engine, user, membership));
        let names = groups.into_iter().map(|(group, _)| group).collect();
        to_all(engine, user, &GroupChange::UserGroups(names)).await;
    }
    Ok(())
}

/// Delivers the groups of the user of a connection that has opened, as they were read when it was.
pub(crate) async fn deliver_groups(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    user: &UserId,
    groups: Vec<UserMembership>,
) -> Result<(), GroupError> {
    groups.iter().for_each(|membership| expire_later(engine, user, membership));
    let names: Vec<_> = groups.into_iter().map(|(group, _)| group).collect();
    if names.is_empty() {
        return Ok(());
    }
    changes::change(engine, connection, GroupChange::UserJoined(names)).await
}

/// Reads a membership again when it is due to expire. One without a time to live never is.
fn expire_later(engine: &Arc<Engine>, user: &UserId, (group, ttl): &UserMembership) {
    let deadline = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
    let key = (user.clone(), group.clone());
    match deadline {
        None => engine.expiries.remove(&key),
        Some(deadline) => {
            if engine.expiries.set(key, deadline) {
                engine.context.tasks.spawn(expire(Arc::downgrade(engine), engine.expiries.clone()));
            }
        }
    }
}

/// Reads each membership when it is due, until none has a deadline. It waits without holding the engine, so that a
/// dropped node is freed however long a membership lasts.
async fn expire(engine: Weak<Engine>, expiries: Arc<Deadlines<(UserId, GroupName)>>) {
    let Some(shutdown) = engine.upgrade().map(|engine| engine.context.shutdown.clone()) else { return };
    loop {
        let due = tokio::select! {
            due = expiries.due(READ_AT_ONCE) => due,
            () = shutdown.cancelled() => return,
        };
        let (Some(due), Some(engine)) = (due, engine.upgrade()) else { return };
        join_all(due.iter().map(|(user, group)| expired(&engine, user, group))).await;
    }
}

async fn expired(engine: &Arc<Engine>, user: &UserId, group: &GroupName) {
    // Nothing is delivered to a user without connections; the groups of one that connects are read then.
    if engine.index.has_user(user) {
        // A failure is logged, and the deadline set anew.
        let _ = apply(engine, user, group).await;
    }
}

/// Makes a change to all connections that a user has on this node. Such a change reports no error.
async fn to_all(engine: &Arc<Engine>, user: &UserId, change: &GroupChange) {
    let mut connections = Vec::new();
    engine.index.for_user(user, |connection| connections.push(connection.clone()));
    let changes = connections.iter().map(|connection| changes::change(engine, connection, change.clone()));
    join_all(changes).await;
}

#[cfg(test)]
mod tests;
