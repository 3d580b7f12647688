//! Changes of group membership: recorded in the store first, then delivered for.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{Body, Cursor as StoreCursor, Member, Topic};
use hubward_hub::{Cursor, GroupError, GroupMember, GroupPage, HubConnection};
use hubward_types::{ConnectionId, GroupName, UserId};
use tokio_util::sync::CancellationToken;

use crate::connection::handle::{GroupNote, Link};
use crate::hub::Engine;

/// Which way a membership changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Join,
    Leave,
}

pub(crate) fn store_failed(error: impl std::fmt::Display) -> GroupError {
    GroupError::Store { reason: error.to_string() }
}

/// Changes the membership of a connection of any node.
pub(crate) async fn change(
    engine: Arc<Engine>,
    connection: ConnectionId,
    group: GroupName,
    change: Change,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    if let Some(link) = engine.index.connection(&connection) {
        return change_here(&engine, &link, &group, change).await;
    }
    let Some(backplane) = engine.others() else { return Ok(()) };
    let (id, confirmation) = engine.node.waiting.for_confirmation();
    let _forget = scopeguard(|| engine.node.waiting.forget(id));
    let reply_to = engine.node.id.clone();
    let body = match change {
        Change::Join => Body::JoinGroup { id, reply_to, group },
        Change::Leave => Body::LeaveGroup { id, reply_to, group },
    };
    let topic = Topic::Connection(engine.name().clone(), connection);
    let reached = backplane.publish(&topic, engine.envelope(body)).await.map_err(store_failed)?;
    if reached == Some(0) {
        // No node has the connection: nothing to change, and no error in SignalR either.
        return Ok(());
    }
    let limit = engine.definition.options.confirmation_timeout;
    match tokio::time::timeout(limit, confirmation).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(reason))) => Err(GroupError::Owner { reason }),
        Ok(Err(_)) | Err(_) => Err(GroupError::NoConfirmation),
    }
}

fn check_name(engine: &Engine, group: &GroupName) -> Result<(), GroupError> {
    let (length, limit) = (group.as_str().len(), engine.definition.options.group_name_bytes);
    if length > limit { Err(GroupError::NameTooLong { length, limit }) } else { Ok(()) }
}

/// Changes the membership of a connection of this node.
pub(crate) async fn change_here(
    engine: &Engine,
    link: &Arc<Link>,
    group: &GroupName,
    change: Change,
) -> Result<(), GroupError> {
    match change {
        Change::Join => join_here(engine, link, group).await,
        Change::Leave => {
            stop_delivering(engine, link, group);
            engine.node.store.remove_connection(engine.name(), group, &link.id).await.map_err(store_failed)
        }
    }
}

fn check_rule(engine: &Engine, link: &Link, group: &GroupName) -> Result<(), GroupError> {
    match &engine.definition.may_join {
        Some(rule) if !rule(&link.principal, group) => {
            Err(GroupError::NotAllowed { group: group.to_string() })
        }
        _ => Ok(()),
    }
}

async fn join_here(engine: &Engine, link: &Arc<Link>, group: &GroupName) -> Result<(), GroupError> {
    check_name(engine, group)?;
    check_rule(engine, link, group)?;
    engine
        .node
        .store
        .add_connection(engine.name(), group, &link.id, &engine.node.id)
        .await
        .map_err(store_failed)?;
    let delivering = deliver_for(engine, link, group).await;
    if link.is_over() || delivering.is_err() {
        // It ended while the store was at work, or cannot be delivered for: take back what was recorded.
        stop_delivering(engine, link, group);
        engine.node.store.remove_connection(engine.name(), group, &link.id).await.map_err(store_failed)?;
    }
    delivering
}

/// From here on the connection gets what is sent to the group.
async fn deliver_for(engine: &Engine, link: &Arc<Link>, group: &GroupName) -> Result<(), GroupError> {
    let limit = engine.definition.options.groups_per_connection;
    match link.note_group(group, limit) {
        GroupNote::Known => return Ok(()),
        GroupNote::TooMany => return Err(GroupError::TooManyGroups { limit }),
        GroupNote::New => {}
    }
    let topic = Topic::Group(engine.name().clone(), group.clone());
    if let Err(error) = engine.node.subscriptions.add(topic.clone()).await {
        link.drop_group(group);
        return Err(store_failed(error));
    }
    if !engine.index.join(group, link) {
        engine.node.subscriptions.remove(&topic);
    }
    if !link.has_noted(group) {
        // It left, or ended, while the subscription was under way.
        stop_delivering(engine, link, group);
    }
    Ok(())
}

fn stop_delivering(engine: &Engine, link: &Link, group: &GroupName) {
    link.drop_group(group);
    if engine.index.leave(group, link) {
        engine.node.subscriptions.remove(&Topic::Group(engine.name().clone(), group.clone()));
    }
}

/// Puts a user into a group, for the connections of now and later.
pub(crate) async fn add_user(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    engine.node.store.add_user(engine.name(), &group, &user, ttl).await.map_err(store_failed)?;
    user_joined(engine.clone(), user.clone(), group.clone(), ttl).await;
    if let Some(backplane) = engine.others() {
        // Rounded up: who looks before the store has let the membership lapse would look in vain.
        let ttl_ms = ttl.map(|ttl| u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let envelope = engine.envelope(Body::UserJoined { group, ttl_ms });
        let topic = Topic::User(engine.name().clone(), user);
        backplane.publish(&topic, envelope).await.map_err(store_failed)?;
    }
    Ok(())
}

/// Ends a user's membership.
pub(crate) async fn remove_user(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
) -> Result<(), GroupError> {
    let removed = engine.node.store.remove_user(engine.name(), &group, &user).await.map_err(store_failed);
    user_left(&engine, &user, &group).await;
    if let Some(backplane) = engine.others() {
        let envelope = engine.envelope(Body::UserLeft { group });
        backplane.publish(&Topic::User(engine.name().clone(), user), envelope).await.map_err(store_failed)?;
    }
    removed
}

/// A user has been put into a group: delivers for the user's connections of this node.
pub(crate) async fn user_joined(engine: Arc<Engine>, user: UserId, group: GroupName, ttl: Option<Duration>) {
    for link in links_of(&engine, &user) {
        deliver_for_user(&engine, &link, &group).await;
    }
    leave_after(engine, user, group, ttl, CancellationToken::new());
}

async fn deliver_for_user(engine: &Engine, link: &Arc<Link>, group: &GroupName) {
    let delivering = match check_rule(engine, link, group) {
        Ok(()) => deliver_for(engine, link, group).await,
        Err(refused) => Err(refused),
    };
    if let Err(error) = delivering {
        tracing::warn!(hub = %engine.name(), user = ?link.principal.user(), %error, "A user's group is not delivered to a connection.");
    }
    if link.is_over() {
        stop_delivering(engine, link, group);
    }
}

/// Stops delivering when a user's membership lapses, unless it has been renewed, or `obsolete` is cancelled.
fn leave_after(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
    obsolete: CancellationToken,
) {
    let Some(ttl) = ttl else { return };
    let node = engine.node.clone();
    node.tasks.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(ttl) => {}
            () = engine.node.shutdown.cancelled() => return,
            () = obsolete.cancelled() => return,
        }
        user_left(&engine, &user, &group).await;
    });
}

/// A user's membership may have ended: stops delivering to the user's connections of this node that have none of
/// their own, if the store agrees.
pub(crate) async fn user_left(engine: &Engine, user: &UserId, group: &GroupName) {
    let store = &engine.node.store;
    match store.contains(engine.name(), group, &Member::User(user.clone())).await {
        Ok(true) => return,
        Ok(false) => {}
        // Nobody may be given what they may no longer have: without an answer, delivery stops.
        Err(error) => tracing::warn!(%error, "The group store did not say whether a user is still a member."),
    }
    for link in links_of(engine, user) {
        let member = Member::Connection(link.id.clone());
        if !matches!(store.contains(engine.name(), group, &member).await, Ok(true)) {
            stop_delivering(engine, &link, group);
        }
    }
}

fn links_of(engine: &Engine, user: &UserId) -> Vec<Arc<Link>> {
    let mut links = Vec::new();
    engine.index.for_user(user, |link| links.push(link.clone()));
    links
}

/// A connection has opened: takes up what its user is in, and listens for what is sent to it from elsewhere.
pub(crate) async fn connected(engine: &Arc<Engine>, link: &Arc<Link>) -> Result<(), GroupError> {
    let hub = engine.name();
    if engine.node.backplane.is_some() {
        let own = Topic::Connection(hub.clone(), link.id.clone());
        let user = link.principal.user().map(|user| Topic::User(hub.clone(), user.clone()));
        for topic in std::iter::once(own).chain(user) {
            engine.node.subscriptions.add(topic.clone()).await.map_err(store_failed)?;
            link.note_topic(topic);
        }
    }
    let Some(user) = link.principal.user() else { return Ok(()) };
    let groups = engine.node.store.groups_of_user(hub, user).await.map_err(store_failed)?;
    for (group, ttl) in groups {
        deliver_for_user(engine, link, &group).await;
        // Ends with the connection, so that one that comes and goes leaves nothing behind.
        leave_after(engine.clone(), user.clone(), group, ttl, link.ended());
    }
    Ok(())
}

/// A connection is gone: nothing is delivered for it, here or elsewhere.
pub(crate) async fn ended(engine: &Engine, link: &Link) {
    let hub = engine.name();
    let (groups, left) = engine.index.remove(link);
    if engine.node.backplane.is_some() {
        let subscriptions = &engine.node.subscriptions;
        for topic in link.take_topics() {
            subscriptions.remove(&topic);
        }
        // Only what was delivered for is subscribed to: a join that is still under way takes its own interest back.
        for group in left {
            subscriptions.remove(&Topic::Group(hub.clone(), group));
        }
    }
    if groups.is_empty() {
        return;
    }
    if let Err(error) = engine.node.store.end_connection(hub, &link.id).await {
        tracing::warn!(%hub, groups = groups.len(), %error, "An ended connection's groups could not be removed from the store.");
    }
}

/// Lists a part of a group's members.
pub(crate) async fn members(
    engine: Arc<Engine>,
    group: GroupName,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<GroupPage, GroupError> {
    let cursor = cursor.map(|cursor| StoreCursor::new(cursor.0));
    let page = engine.node.store.members(engine.name(), &group, cursor, limit).await.map_err(store_failed)?;
    Ok(GroupPage {
        members: page.members.into_iter().map(from_store).collect(),
        next: page.next.map(|cursor| Cursor(cursor.as_str().to_owned())),
    })
}

/// Lists the groups of a connection or a user.
pub(crate) async fn groups_of(
    engine: Arc<Engine>,
    member: GroupMember,
) -> Result<Vec<GroupName>, GroupError> {
    let (store, hub) = (&engine.node.store, engine.name());
    match member {
        GroupMember::Connection(id) => store.groups_of_connection(hub, &id).await.map_err(store_failed),
        GroupMember::User(user) => {
            let groups = store.groups_of_user(hub, &user).await.map_err(store_failed)?;
            Ok(groups.into_iter().map(|(group, _)| group).collect())
        }
    }
}

pub(crate) fn to_store(member: &GroupMember) -> Member {
    match member {
        GroupMember::Connection(id) => Member::Connection(id.clone()),
        GroupMember::User(user) => Member::User(user.clone()),
    }
}

fn from_store(member: Member) -> GroupMember {
    match member {
        Member::Connection(id) => GroupMember::Connection(id),
        Member::User(user) => GroupMember::User(user),
    }
}

/// Runs `f` when dropped.
fn scopeguard<F: FnMut()>(f: F) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(f)
}
