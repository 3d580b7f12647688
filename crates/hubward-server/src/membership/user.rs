//! A user's membership on this node: it holds for all connections of the user, present and future, until it is removed or
//! expires. Changes of one user are carried out one after the other, each by what the store says then.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hubward_backplane::{MAX_USERS_AT_ONCE, StoreError, UserMembership};
use hubward_expiry::Deadlines;
use hubward_hub::GroupError;
use hubward_types::{GroupName, UserId, brief_causes};
use tokio::time::Instant;

use super::expiries::Key;
use super::users::ChangingUser;
use super::{changes, store_failed};
use crate::connection::groups::GroupChange;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// How many memberships that expire at the same time are read from the store at once.
const READ_AT_ONCE: usize = 64;

/// The first pause before the groups of all users are read again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A group that a user is in, and when that has to be read again; `None` where it does not expire.
pub(crate) type Membership = (GroupName, Option<Instant>);

/// Reads whether a user is a member of a group, and delivers to the user's connections of this node accordingly. Fails
/// closed: what cannot be read is not delivered, and is read again later.
pub(crate) async fn apply(engine: &Arc<Engine>, user: &UserId, group: &GroupName) -> Result<(), GroupError> {
    let changing = engine.users.enter(user);
    changing.announce();
    if !engine.index.has_user(user) {
        // Whoever connects from now on reads the store after this change.
        return Ok(());
    }
    let _turn = changing.turn().await;
    match engine.context.store.user_membership(engine.name(), group, user).await {
        Ok(membership) => {
            let delivered = match membership.map(timed) {
                Some(membership) => {
                    deliver(engine, &connections_of(engine, user), user, vec![membership]).await
                }
                None => {
                    stop(engine, user, group).await;
                    Ok(())
                }
            };
            if delivered.is_ok() {
                engine.expiries.succeeded();
            }
            delivered
        }
        Err(error) => {
            let (again, first) = engine.expiries.failed();
            if first {
                tracing::warn!(hub = %engine.name(), error = %brief_causes(&error), "The group store could not report whether a user is a member; it is read again.");
            }
            stop(engine, user, group).await;
            read_at(engine, user, group, again);
            Err(store_failed(error))
        }
    }
}

/// Ends what a ban has ended: reads whether a user and each of its connections of this node is a member of a group, and
/// delivers accordingly. Fails closed.
pub(crate) async fn apply_ban(
    engine: &Arc<Engine>,
    user: &UserId,
    group: &GroupName,
) -> Result<(), GroupError> {
    let (connections, banned) = (connections_of(engine, user), GroupChange::Banned(group.clone()));
    let ended = to_each(engine, &connections, &banned);
    let (applied, ended) = tokio::join!(apply(engine, user, group), ended);
    applied.and(ended)
}

/// Ends the memberships of the connections of a user of this node, whatever the store says, and stops delivery until it can
/// be read whether the user is a member.
pub(crate) async fn expel(engine: &Arc<Engine>, user: &UserId, group: &GroupName) {
    let (connections, expelled) = (connections_of(engine, user), GroupChange::Expelled(group.clone()));
    let expelled = to_each(engine, &connections, &expelled);
    // Such a change reports no error.
    let (_, ()) = tokio::join!(expelled, stop_until_read(engine, user, group));
}

/// Stops delivery until it can be read whether the user is a member.
pub(crate) async fn stop_until_read(engine: &Arc<Engine>, user: &UserId, group: &GroupName) {
    let changing = engine.users.enter(user);
    changing.announce();
    let _turn = changing.turn().await;
    stop(engine, user, group).await;
    read_at(engine, user, group, engine.expiries.failed().0);
}

async fn stop(engine: &Arc<Engine>, user: &UserId, group: &GroupName) {
    engine.expiries.deadlines.remove(&(user.clone(), group.clone()));
    // Such a change reports no error.
    let _ = to_each(engine, &connections_of(engine, user), &GroupChange::UserLeft(group.clone())).await;
}

/// Reads the groups of all local users again, after changes of them may have been missed. Holds the engine only while it
/// reads, and ends where another such reading has begun: a link that is interrupted again and again leaves one.
pub(crate) fn read_again(engine: Arc<Engine>) -> impl Future<Output = ()> + Send + use<> {
    let (shutdown, weak) = (engine.context.shutdown.clone(), Arc::downgrade(&engine));
    // Those of connections that open now are not in the index yet.
    engine.users.announce_all();
    let (mut users, number) = (engine.index.users(), engine.expiries.begin_reading());
    drop(engine);
    async move {
        let mut pause = FIRST_PAUSE;
        let mut failing = false;
        let goes_on = |engine: &Arc<Engine>| engine.expiries.is_last_reading(number);
        while let Some(engine) = weak.upgrade().filter(goes_on).filter(|_| !users.is_empty()) {
            let portion = users.split_off(users.len().saturating_sub(MAX_USERS_AT_ONCE));
            let Err(error) = read_users_again(&engine, &portion).await else { continue };
            if !std::mem::replace(&mut failing, true) {
                tracing::warn!(hub = %engine.name(), error = %brief_causes(&error), "The groups of users could not be read again yet.");
            }
            users.extend(portion);
            drop(engine);
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = shutdown.cancelled() => return,
            }
        }
    }
}

/// Reads the groups of several users in one call, and delivers them and no others.
pub(crate) async fn read_users_again(engine: &Arc<Engine>, users: &[UserId]) -> Result<(), StoreError> {
    // A connect that read the groups before this may have missed a change: it reads them again.
    users.iter().for_each(|user| engine.users.enter(user).announce());
    let changing: Vec<_> = users.iter().map(|user| engine.users.enter(user)).collect();
    let (store, hub) = (&engine.context.store, engine.name());
    let groups = store.groups_of_users(hub, users.to_vec()).await?;
    for (changing, (user, groups)) in changing.iter().zip(users.iter().zip(timed_all(groups))) {
        let _turn = changing.turn().await;
        // A change was announced since: it may have been carried out before this.
        let groups = match changing.is_outdated() {
            true => timed_groups(store.groups_of_user(hub, user).await?),
            false => groups,
        };
        let (connections, names) = (connections_of(engine, user), names(&groups));
        let delivered = to_each(engine, &connections, &GroupChange::UserGroups(names)).await;
        set_deadlines(engine, &connections, user, groups, &delivered);
    }
    Ok(())
}

/// Delivers the groups of the user of a connection that has opened. What cannot be delivered is tried again.
pub(crate) async fn connected(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    user: &UserId,
    groups: Vec<Membership>,
) {
    if !groups.is_empty() {
        // A failure is logged: the connection is open all the same.
        let _ = deliver(engine, std::slice::from_ref(connection), user, groups).await;
    }
}

/// Delivers the groups of the user of a connection that has come from another node, and no others: as they were read when it
/// came or, if they have changed meanwhile, as they are read now. What cannot be is tried again.
pub(crate) async fn moved_here(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    user: &UserId,
    changing: ChangingUser,
    groups: Vec<Membership>,
) {
    let _turn = changing.turn().await;
    let groups = match changing.is_outdated() {
        true => match engine.context.store.groups_of_user(engine.name(), user).await {
            Ok(groups) => timed_groups(groups),
            // Whoever announced the change reads it, too, and fails closed.
            Err(_) => groups,
        },
        false => groups,
    };
    let connections = std::slice::from_ref(connection);
    let delivered = to_each(engine, connections, &GroupChange::UserGroups(names(&groups))).await;
    set_deadlines(engine, connections, user, groups, &delivered);
}

/// Forgets when groups of a user are read again, now that a connection they were delivered to has closed: unless the user
/// has others.
pub(crate) async fn disconnected(engine: &Engine, user: &UserId, groups: Vec<GroupName>) {
    if groups.is_empty() || engine.index.has_user(user) {
        return;
    }
    let changing = engine.users.enter(user);
    let _turn = changing.turn().await;
    // In its turn, so that whoever connects meanwhile sets its deadlines after this.
    if !engine.index.has_user(user) {
        groups.into_iter().for_each(|group| engine.expiries.deadlines.remove(&(user.clone(), group)));
    }
}

/// Delivers groups to connections of a user.
async fn deliver(
    engine: &Arc<Engine>,
    connections: &[Arc<ConnectionHandle>],
    user: &UserId,
    groups: Vec<Membership>,
) -> Result<(), GroupError> {
    let delivered = to_each(engine, connections, &GroupChange::UserJoined(names(&groups))).await;
    set_deadlines(engine, connections, user, groups, &delivered);
    delivered
}

/// Makes a change to connections; returns the first error.
async fn to_each(
    engine: &Arc<Engine>,
    connections: &[Arc<ConnectionHandle>],
    change: &GroupChange,
) -> Result<(), GroupError> {
    let changes = connections.iter().map(|connection| changes::change(engine, connection, change.clone()));
    join_all(changes).await.into_iter().fold(Ok(()), Result::and)
}

/// Sets when groups that are delivered are read again; and those that could not be, where some failed.
fn set_deadlines(
    engine: &Arc<Engine>,
    connections: &[Arc<ConnectionHandle>],
    user: &UserId,
    groups: Vec<Membership>,
    delivered: &Result<(), GroupError>,
) {
    let again = delivered.as_ref().err().map(|error| {
        let (again, first) = engine.expiries.failed();
        if first {
            tracing::warn!(hub = %engine.name(), error = %brief_causes(error), "Groups of users are not delivered to connections; it is tried again.");
        }
        again
    });
    for (group, expires) in groups {
        let delivered = |connection: &Arc<ConnectionHandle>| connection.groups.reasons(&group).user;
        let expires = expires.filter(|_| connections.iter().any(delivered));
        let failed = again.filter(|_| !connections.iter().all(delivered));
        match [expires, failed].into_iter().flatten().min() {
            Some(deadline) => read_at(engine, user, &group, deadline),
            None => engine.expiries.deadlines.remove(&(user.clone(), group)),
        }
    }
}

/// Reads a membership again at a time.
fn read_at(engine: &Arc<Engine>, user: &UserId, group: &GroupName, deadline: Instant) {
    let deadlines = &engine.expiries.deadlines;
    if deadlines.set((user.clone(), group.clone()), deadline) {
        engine.context.spawn(read_when_due(Arc::downgrade(engine), deadlines.clone()));
    }
}

/// Reads each membership when it is due, until none has a deadline. It waits without holding the engine, so that a
/// dropped node is freed however long a membership lasts.
async fn read_when_due(engine: Weak<Engine>, deadlines: Arc<Deadlines<Key>>) {
    let Some(shutdown) = engine.upgrade().map(|engine| engine.context.shutdown.clone()) else { return };
    loop {
        let due = tokio::select! {
            due = deadlines.due(READ_AT_ONCE) => due,
            () = shutdown.cancelled() => return,
        };
        let (Some(due), Some(engine)) = (due, engine.upgrade()) else { return };
        let reading = due.iter().map(async |(user, group)| {
            // A failure is logged, and the deadline set anew.
            let read = AssertUnwindSafe(apply(&engine, user, group)).catch_unwind().await;
            if read.is_err() {
                stop_until_read(&engine, user, group).await;
            }
        });
        join_all(reading).await;
    }
}

fn connections_of(engine: &Engine, user: &UserId) -> Vec<Arc<ConnectionHandle>> {
    let mut connections = Vec::new();
    engine.index.for_user(user, |connection| connections.push(connection.clone()));
    connections
}

fn names(groups: &[Membership]) -> Vec<GroupName> {
    groups.iter().map(|(group, _)| group.clone()).collect()
}

/// A membership that was read just now.
fn timed((group, ttl): UserMembership) -> Membership {
    (group, ttl.and_then(|ttl| Instant::now().checked_add(ttl)))
}

/// Groups of a user that were read just now.
pub(crate) fn timed_groups(groups: Vec<UserMembership>) -> Vec<Membership> {
    groups.into_iter().map(timed).collect()
}

fn timed_all(groups: Vec<Vec<UserMembership>>) -> Vec<Vec<Membership>> {
    groups.into_iter().map(timed_groups).collect()
}

#[cfg(test)]
mod tests;
