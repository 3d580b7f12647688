//! The store's trait: each method is a script's arguments and what its reply means.

use std::time::Duration;

use hubward_backplane::{
    BoxFuture, ConnectionsPage, Cursor, GroupStore, HeldConnection, MAX_RESTORED_AT_ONCE, MAX_USERS_AT_ONCE,
    Member, OpenConnection, OpenedConnection, Owner, Page, ParkedSession, Restored, StoreError, TakeOver,
    TakenOver, Unpark, Unparked, UserChange, UserMembership, UsersPage,
};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use redis::Cmd;

use super::RedisStore;
use super::arguments::{LONGEST_MS, add_owner, milliseconds};
use super::reply::{ScriptReply, done, store_error};
use super::scripts::{Script, Scripts};
use super::{moving, queries};
use crate::error::RedisFailure;

/// How many memberships one call restores, but for a connection that has more: a millisecond or two of Redis.
const GROUPS_AT_ONCE: usize = 1_000;

type Call<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl RedisStore {
    /// Changes something.
    pub(super) async fn change(
        &self,
        script: impl Fn(&Scripts) -> &Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<ScriptReply, StoreError> {
        done(self.calls.change(script, arguments).await.map_err(store_error)?)
    }

    /// Reads something.
    pub(super) async fn query(
        &self,
        script: impl Fn(&Scripts) -> &Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<ScriptReply, StoreError> {
        done(self.calls.query(script, arguments).await.map_err(store_error)?)
    }
}

impl GroupStore for RedisStore {
    fn open_connection(&self, opening: OpenConnection) -> Call<'_, OpenedConnection> {
        Box::pin(async move {
            let OpenConnection { hub, connection, user, owner, claim } = &opening;
            let opened = self.change(
                |scripts| &scripts.open,
                |call| {
                    call.arg(hub.as_str()).arg(connection.as_str());
                    call.arg(user.as_ref().map_or("", |user| user.as_str())).arg(u8::from(user.is_some()));
                    add_owner(call, owner);
                    call.arg(milliseconds(*claim));
                },
            );
            let mut reply = opened.await?;
            let count = reply.left() / 2;
            reply.memberships(count).map(OpenedConnection::new).map_err(store_error)
        })
    }

    fn owner(&self, hub: &HubName, connection: &ConnectionId) -> Call<'_, Option<Owner>> {
        let call = of_names([hub.as_str(), connection.as_str()]);
        Box::pin(async move {
            let mut reply = self.change(|scripts| &scripts.owner, call).await?;
            if reply.left() == 0 {
                return Ok(None);
            }
            queries::owner(&mut reply).map(Some).map_err(store_error)
        })
    }

    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> Call<'_, ()> {
        let call = of_connection(hub, Some(group), connection, owner);
        Box::pin(async move { self.change(|scripts| &scripts.join, call).await.map(|_| ()) })
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> Call<'_, ()> {
        let call = of_connection(hub, Some(group), connection, owner);
        Box::pin(async move { self.change(|scripts| &scripts.leave, call).await.map(|_| ()) })
    }

    fn end_connection(&self, hub: &HubName, connection: &ConnectionId, owner: &Owner) -> Call<'_, ()> {
        let call = of_connection(hub, None, connection, owner);
        Box::pin(async move { self.change(|scripts| &scripts.end, call).await.map(|_| ()) })
    }

    fn restore(&self, owner: &Owner, connections: Vec<HeldConnection>) -> Call<'_, Restored> {
        let owner = owner.clone();
        Box::pin(async move {
            check_count(connections.len(), MAX_RESTORED_AT_ONCE)?;
            let mut restored = Restored::default();
            for connections in in_parts(&connections) {
                let packed = pack_held(connections).map_err(store_error)?;
                let call = |call: &mut Cmd| {
                    add_owner(call, &owner);
                    call.arg(packed);
                };
                let reply = self.change(|scripts| &scripts.restore, call).await?;
                let part = queries::restored(reply, connections).map_err(store_error)?;
                restored.lost.extend(part.lost);
                restored.banned.extend(part.banned);
            }
            Ok(restored)
        })
    }

    fn take_over(&self, taking: TakeOver) -> Call<'_, TakenOver> {
        Box::pin(moving::take_over(self, taking))
    }

    fn park(&self, session: ParkedSession) -> Call<'_, ()> {
        Box::pin(moving::park(self, session))
    }

    fn unpark(&self, taking: Unpark) -> Call<'_, Option<Unparked>> {
        Box::pin(moving::unpark(self, taking))
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> Call<'_, UserChange> {
        let call = of_names([hub.as_str(), group.as_str(), user.as_str()]);
        Box::pin(async move {
            let added = self.change(
                |scripts| &scripts.add_user,
                |command| {
                    call(command);
                    match ttl.filter(|ttl| ttl.as_millis() <= LONGEST_MS) {
                        Some(ttl) => command.arg(milliseconds(ttl)),
                        None => command.arg(""),
                    };
                },
            );
            added.await?.texts().map(UserChange::new).map_err(store_error)
        })
    }

    fn remove_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Call<'_, UserChange> {
        let call = of_names([hub.as_str(), group.as_str(), user.as_str()]);
        Box::pin(async move {
            let removed = self.change(|scripts| &scripts.remove_user, call).await?;
            removed.texts().map(UserChange::new).map_err(store_error)
        })
    }

    fn ban_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Call<'_, UserChange> {
        let call = of_names([hub.as_str(), group.as_str(), user.as_str()]);
        Box::pin(async move {
            let banned = self.change(|scripts| &scripts.ban_user, call).await?;
            banned.texts().map(UserChange::new).map_err(store_error)
        })
    }

    fn unban_user(&self, hub: &HubName, group: &GroupName, user: &UserId) -> Call<'_, ()> {
        let call = of_names([hub.as_str(), group.as_str(), user.as_str()]);
        Box::pin(async move { self.change(|scripts| &scripts.unban_user, call).await.map(|_| ()) })
    }

    fn users_online(&self, hub: &HubName, cursor: Option<Cursor>, limit: usize) -> Call<'_, UsersPage> {
        queries::users_online(self, hub.clone(), cursor, limit)
    }

    fn connections_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Call<'_, ConnectionsPage> {
        queries::connections_of_user(self, hub.clone(), user.clone(), cursor, limit)
    }

    fn is_online(&self, hub: &HubName, user: &UserId) -> Call<'_, bool> {
        let nodes = self.nodes_of_user(hub, user);
        Box::pin(async move { Ok(!nodes.await?.is_empty()) })
    }

    fn nodes_of_user(&self, hub: &HubName, user: &UserId) -> Call<'_, Vec<NodeId>> {
        let call = of_names([hub.as_str(), user.as_str()]);
        Box::pin(async move {
            self.query(|scripts| &scripts.nodes_of_user, call).await?.texts().map_err(store_error)
        })
    }

    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> Call<'_, Option<UserMembership>> {
        let (call, group) = (of_names([hub.as_str(), group.as_str(), user.as_str()]), group.clone());
        Box::pin(async move {
            let mut reply = self.query(|scripts| &scripts.user_membership, call).await?;
            if reply.left() == 0 {
                return Ok(None);
            }
            reply.expect_ttl().map(|ttl| Some((group, ttl))).map_err(store_error)
        })
    }

    fn groups_of_users(&self, hub: &HubName, users: Vec<UserId>) -> Call<'_, Vec<Vec<UserMembership>>> {
        let hub = hub.clone();
        Box::pin(async move {
            check_count(users.len(), MAX_USERS_AT_ONCE)?;
            let listed = self.query(
                |scripts| &scripts.groups_of_users,
                |call| {
                    call.arg(hub.as_str());
                    users.iter().for_each(|user| {
                        call.arg(user.as_str());
                    });
                },
            );
            let mut reply = listed.await?;
            let mut groups = || {
                let count = reply.expect_number()?;
                reply.memberships(usize::try_from(count).unwrap_or(usize::MAX))
            };
            users.iter().map(|_| groups()).collect::<Result<_, _>>().map_err(store_error)
        })
    }

    fn groups_of_connection(&self, hub: &HubName, connection: &ConnectionId) -> Call<'_, Vec<GroupName>> {
        let call = of_names([hub.as_str(), connection.as_str()]);
        Box::pin(async move {
            self.query(|scripts| &scripts.groups_of_connection, call).await?.texts().map_err(store_error)
        })
    }

    fn groups_of_user(&self, hub: &HubName, user: &UserId) -> Call<'_, Vec<UserMembership>> {
        let listed = self.groups_of_users(hub, vec![user.clone()]);
        Box::pin(async move { Ok(listed.await?.pop().unwrap_or_default()) })
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Call<'_, Page> {
        queries::members(self, hub.clone(), group.clone(), cursor, limit)
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> Call<'_, u64> {
        let call = of_names([hub.as_str(), group.as_str()]);
        Box::pin(async move {
            self.query(|scripts| &scripts.count, call).await?.expect_number().map_err(store_error)
        })
    }

    fn contains(&self, hub: &HubName, group: &GroupName, member: &Member) -> Call<'_, bool> {
        let call = of_names([hub.as_str(), group.as_str(), &queries::member_text(member)]);
        Box::pin(async move {
            let found = self.query(|scripts| &scripts.contains, call);
            found.await?.expect_number().map(|found| found == 1).map_err(store_error)
        })
    }
}

/// The arguments of a call about a connection of an owner.
fn of_connection(
    hub: &HubName,
    group: Option<&GroupName>,
    connection: &ConnectionId,
    owner: &Owner,
) -> impl FnOnce(&mut Cmd) + use<> {
    let (hub, group, connection, owner) = (hub.clone(), group.cloned(), connection.clone(), owner.clone());
    move |call| {
        call.arg(hub.as_str());
        if let Some(group) = group {
            call.arg(group.as_str());
        }
        call.arg(connection.as_str());
        add_owner(call, &owner);
    }
}

/// The arguments of a call about names: a hub, and what is meant in it.
fn of_names<const COUNT: usize>(names: [&str; COUNT]) -> impl FnOnce(&mut Cmd) + use<COUNT> {
    let names = names.map(str::to_owned);
    move |call| {
        call.arg(&names[..]);
    }
}

fn check_count(given: usize, limit: usize) -> Result<(), StoreError> {
    if given > limit { Err(StoreError::TooMany { given, limit }) } else { Ok(()) }
}

/// Splits connections into parts with so few groups that nobody notices the call for one; a connection is never split.
fn in_parts(connections: &[HeldConnection]) -> impl Iterator<Item = &[HeldConnection]> {
    let mut groups = 0;
    connections.chunk_by(move |one, other| {
        groups += one.groups.len();
        let fits = groups + other.groups.len() <= GROUPS_AT_ONCE;
        if !fits {
            groups = 0;
        }
        fits
    })
}

fn pack_held(connections: &[HeldConnection]) -> Result<Vec<u8>, RedisFailure> {
    let held = |held: &HeldConnection| {
        let user = held.user.as_ref().map_or("", |user| user.as_str()).to_owned();
        let groups: Vec<_> = held.groups.iter().map(|group| group.as_str().to_owned()).collect();
        let (hub, connection) = (held.hub.as_str().to_owned(), held.connection.as_str().to_owned());
        (hub, connection, held.user.is_some(), user, milliseconds(held.claim), groups)
    };
    let held: Vec<_> = connections.iter().map(held).collect();
    rmp_serde::to_vec(&held).map_err(|error| RedisFailure::said(error.to_string()))
}
