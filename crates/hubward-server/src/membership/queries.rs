//! Questions about groups that the store answers: members, count, contains, groups of a member.

use std::sync::Arc;

use hubward_backplane::{Cursor, Member};
use hubward_hub::{GroupError, GroupMember, GroupPage, PageCursor};
use hubward_types::GroupName;

use super::store_failed;
use crate::engine::Engine;

/// Lists a page of a group's members.
pub(crate) async fn members(
    engine: Arc<Engine>,
    group: GroupName,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<GroupPage, GroupError> {
    let cursor = cursor.map(|cursor| Cursor::new(cursor.0));
    let store = &engine.context.store;
    let page = store.members(engine.name(), &group, cursor, limit).await.map_err(store_failed)?;
    Ok(GroupPage {
        members: page.members.into_iter().map(from_store).collect(),
        next: page.next.map(|cursor| PageCursor(cursor.as_str().to_owned())),
    })
}

/// Counts a group's members.
pub(crate) async fn count(engine: Arc<Engine>, group: GroupName) -> Result<u64, GroupError> {
    engine.context.store.count(engine.name(), &group).await.map_err(store_failed)
}

/// Tells whether a group has a member.
pub(crate) async fn contains(
    engine: Arc<Engine>,
    group: GroupName,
    member: GroupMember,
) -> Result<bool, GroupError> {
    let member = to_store(member);
    engine.context.store.contains(engine.name(), &group, &member).await.map_err(store_failed)
}

/// Lists the groups of a connection or a user.
pub(crate) async fn groups_of(
    engine: Arc<Engine>,
    member: GroupMember,
) -> Result<Vec<GroupName>, GroupError> {
    let (store, hub) = (&engine.context.store, engine.name());
    match member {
        GroupMember::Connection(id) => store.groups_of_connection(hub, &id).await.map_err(store_failed),
        GroupMember::User(user) => {
            let groups = store.groups_of_user(hub, &user).await.map_err(store_failed)?;
            Ok(groups.into_iter().map(|(group, _)| group).collect())
        }
    }
}

fn to_store(member: GroupMember) -> Member {
    match member {
        GroupMember::Connection(id) => Member::Connection(id),
        GroupMember::User(user) => Member::User(user),
    }
}

fn from_store(member: Member) -> GroupMember {
    match member {
        Member::Connection(id) => GroupMember::Connection(id),
        Member::User(user) => GroupMember::User(user),
    }
}
