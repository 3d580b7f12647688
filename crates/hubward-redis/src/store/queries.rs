//! Listings, and the replies that several calls read in the same way.

use hubward_backplane::{
    BoxFuture, ConnectionsPage, Cursor, Epoch, HeldConnection, MAX_PAGE_MEMBERS, Member, Owner, Page,
    Restored, StoreError, UsersPage,
};
use hubward_types::{ConnectionId, GroupName, HubName, UserId};

use super::RedisStore;
use super::reply::{ScriptReply, store_error};
use super::scripts::{Script, Scripts};
use crate::error::RedisFailure;

/// Lists members of a group. A cursor is the last member that was looked at.
pub(super) fn members(
    store: &RedisStore,
    hub: HubName,
    group: GroupName,
    cursor: Option<Cursor>,
    limit: usize,
) -> BoxFuture<'_, Result<Page, StoreError>> {
    Box::pin(async move {
        let names = [hub.as_str(), group.as_str()];
        let (next, members) =
            list(store, |scripts| &scripts.members, &names, after(cursor.as_ref(), &["c", "u"])?, limit)
                .await?;
        let unreadable =
            || store_error(RedisFailure::unreadable("a member of a group cannot be read".to_owned()));
        let members = members.into_iter().map(|member| read_member(&member).ok_or_else(unreadable));
        Ok(Page { members: members.collect::<Result<_, _>>()?, next })
    })
}

/// Lists the users that are connected.
pub(super) fn users_online(
    store: &RedisStore,
    hub: HubName,
    cursor: Option<Cursor>,
    limit: usize,
) -> BoxFuture<'_, Result<UsersPage, StoreError>> {
    Box::pin(async move {
        let names = [hub.as_str()];
        let (next, users) =
            list(store, |scripts| &scripts.users_online, &names, after(cursor.as_ref(), &["u"])?, limit)
                .await?;
        Ok(UsersPage { users: users.into_iter().map(UserId::from).collect(), next })
    })
}

/// Lists the connections of a user.
pub(super) fn connections_of_user(
    store: &RedisStore,
    hub: HubName,
    user: UserId,
    cursor: Option<Cursor>,
    limit: usize,
) -> BoxFuture<'_, Result<ConnectionsPage, StoreError>> {
    Box::pin(async move {
        let names = [hub.as_str(), user.as_str()];
        let after = after(cursor.as_ref(), &["c"])?;
        let (next, connections) =
            list(store, |scripts| &scripts.connections_of_user, &names, after, limit).await?;
        Ok(ConnectionsPage { connections: connections.into_iter().map(ConnectionId::from).collect(), next })
    })
}

/// Reads a page of a listing of what these names stand for. Returns where the next one begins, if there is one, and the
/// entries.
async fn list(
    store: &RedisStore,
    script: impl Fn(&Scripts) -> &Script,
    names: &[&str],
    after: &str,
    limit: usize,
) -> Result<(Option<Cursor>, Vec<String>), StoreError> {
    let listed = store.query(script, |call| {
        call.arg(names).arg(after).arg(limit.clamp(1, MAX_PAGE_MEMBERS));
    });
    page(listed.await?).map_err(store_error)
}

/// What a listing goes on after: a letter for its kind, then its name; nothing where it begins.
fn after<'a>(cursor: Option<&'a Cursor>, kinds: &[&str]) -> Result<&'a str, StoreError> {
    let Some(cursor) = cursor.map(Cursor::as_str) else { return Ok("") };
    let is_known = kinds.iter().any(|kind| cursor.starts_with(kind));
    if is_known { Ok(cursor) } else { Err(StoreError::InvalidCursor) }
}

/// A page is where the next one begins, or nothing, then its entries.
fn page(mut reply: ScriptReply) -> Result<(Option<Cursor>, Vec<String>), RedisFailure> {
    let next = reply.expect_text()?;
    Ok(((!next.is_empty()).then(|| Cursor::new(next)), reply.texts()?))
}

/// A member as it stands in a group: a letter for its kind, then its name.
pub(super) fn member_text(member: &Member) -> String {
    match member {
        Member::Connection(connection) => format!("c{connection}"),
        Member::User(user) => format!("u{user}"),
    }
}

fn read_member(text: &str) -> Option<Member> {
    match text.strip_prefix('c') {
        Some(connection) => Some(Member::Connection(connection.into())),
        None => text.strip_prefix('u').map(|user| Member::User(user.into())),
    }
}

/// Reads an owner: its epoch, then its node.
pub(super) fn owner(reply: &mut ScriptReply) -> Result<Owner, RedisFailure> {
    let epoch = Epoch::new(reply.expect_number()?);
    Ok(Owner { node: reply.expect_text()?.into(), epoch })
}

/// What was not put back, of connections that were to be: places of the lost ones, then a word, then places with groups.
pub(super) fn restored(
    mut reply: ScriptReply,
    connections: &[HeldConnection],
) -> Result<Restored, RedisFailure> {
    let unreadable = || RedisFailure::unreadable("what was restored cannot be read".to_owned());
    let held = |place: &str| {
        let place = place.parse::<usize>().ok()?.checked_sub(1)?;
        connections.get(place).map(|held| (held.hub.clone(), held.connection.clone()))
    };
    let (mut lost, mut banned) = (Vec::new(), Vec::new());
    loop {
        match &*reply.expect_text()? {
            "banned" => break,
            place => lost.push(held(place).ok_or_else(unreadable)?),
        }
    }
    while let Some(place) = reply.text()? {
        let (hub, connection) = held(&place).ok_or_else(unreadable)?;
        banned.push((hub, connection, reply.expect_text()?.into()));
    }
    Ok(Restored::new(lost, banned))
}
