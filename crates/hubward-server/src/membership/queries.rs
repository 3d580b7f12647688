//! Queries of the group store: members, count, contains, groups of a member.

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
    let cursor = cursor.map(|cursor| Cursor::new(cursor.as_str()));
    let store = &engine.context.store;
    let page = store.members(engine.name(), &group, cursor, limit).await.map_err(store_failed)?;
    Ok(GroupPage {
        members: page.members.into_iter().map(from_store).collect(),
        next: page.next.map(|cursor| PageCursor::new(cursor.as_str())),
    })
}

/// Counts a group's members.
pub(crate) async fn count(engine: Arc<Engine>, group: GroupName) -> Result<u64, GroupError> {
    engine.context.store.count(engine.name(), &group).await.map_err(store_failed)
}

/// Returns whether a group has a member.
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

#[cfg(test)]
mod tests {
    use hubward_hub::Hub;

    use super::*;
    use crate::testing::cluster::TestNode;
    use crate::testing::handle;

    /// A node whose group `ward` has three connections and a user as members.
    async fn start() -> TestNode {
        let node = TestNode::start(Hub::new("hub")).await;
        for id in ["c1", "c2", "c3"] {
            node.join(&handle(id), "ward").await;
        }
        node.engine.handle().groups().add_user("alice", "ward", None).await.unwrap();
        node
    }

    fn connection(id: &str) -> GroupMember {
        GroupMember::Connection(id.into())
    }

    #[tokio::test]
    async fn members_are_listed_once_each_over_as_many_pages_as_it_takes() {
        let node = start().await;
        let (mut listed, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = members(node.engine.clone(), "ward".into(), cursor, 3).await.unwrap();
            assert!(page.members.len() <= 3);
            listed.extend(page.members);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected =
            [connection("c1"), connection("c2"), connection("c3"), GroupMember::User("alice".into())];
        assert_eq!((listed.as_slice(), pages), (expected.as_slice(), 2));
    }

    #[tokio::test]
    async fn a_group_counts_its_members_and_knows_each() {
        let node = start().await;
        assert_eq!(count(node.engine.clone(), "ward".into()).await.unwrap(), 4);
        assert_eq!(count(node.engine.clone(), "empty".into()).await.unwrap(), 0);
        let is_member = async |member| contains(node.engine.clone(), "ward".into(), member).await.unwrap();
        assert!(is_member(connection("c1")).await);
        assert!(is_member(GroupMember::User("alice".into())).await);
        assert!(!is_member(connection("alice")).await);
        assert!(!is_member(GroupMember::User("c1".into())).await);
    }

    #[tokio::test]
    async fn the_groups_of_a_connection_and_of_a_user_are_listed_apart() {
        let node = start().await;
        node.engine.handle().groups().add_user("alice", "team", None).await.unwrap();
        let mut of_user = groups_of(node.engine.clone(), GroupMember::User("alice".into())).await.unwrap();
        of_user.sort();
        assert_eq!(of_user, ["team".into(), "ward".into()]);
        assert_eq!(groups_of(node.engine.clone(), connection("c1")).await.unwrap(), ["ward".into()]);
        assert!(groups_of(node.engine.clone(), connection("alice")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_store_that_fails_and_a_cursor_that_it_did_not_give_are_errors() {
        let node = start().await;
        let foreign = Some(PageCursor::new("foreign"));
        let page = members(node.engine.clone(), "ward".into(), foreign, 10).await;
        assert!(matches!(page, Err(GroupError::Store { .. })));
        node.store.querying.set_failing(true);
        let (engine, group) = (node.engine.clone(), GroupName::from("ward"));
        let failed = [
            members(engine.clone(), group.clone(), None, 10).await.err(),
            count(engine.clone(), group.clone()).await.err(),
            contains(engine.clone(), group, connection("c1")).await.err(),
            groups_of(engine.clone(), connection("c1")).await.err(),
            groups_of(engine, GroupMember::User("alice".into())).await.err(),
        ];
        assert!(failed.iter().all(|error| matches!(error, Some(GroupError::Store { .. }))), "{failed:?}");
    }
}
