//! The hub for tests of several nodes: who is a member, whom a message reaches, and what one node does to connections of
//! another. A method returns when what it does is complete on all nodes. Not among the recorded answers.

use std::collections::HashMap;
use std::time::Duration;

use hubward::{
    ConnectionId, GroupError, GroupMember, Hub, HubContext, HubError, PageCursor, SendError,
    TransportOptions, UserError, UserId,
};
use serde::{Deserialize, Serialize};

use crate::{hub, streams};

/// How long a method waits until its message has reached Redis. One that does not respond for so long has it later, or not.
const COMPLETE: Duration = Duration::from_secs(1);

pub(crate) fn hub() -> Hub {
    let hub = Hub::new("cluster")
        .persist_item::<KeptTexts>("kept")
        .method("Node", async |cx: HubContext| cx.node().to_string())
        .method("Me", async |cx: HubContext| Caller {
            connection: cx.connection_id().clone(),
            user: cx.principal().user_id().cloned(),
        })
        .method("Ask", hub::invoke_client)
        .method("AbortConnection", async |cx: HubContext, id: String| {
            cx.clients().connection(id).abort().await
        })
        .method("Keep", keep)
        .method("Kept", kept)
        .method("Slow", hub::slow)
        .stream("Stream", streams::count);
    add_sends(add_users(add_queries(add_membership(hub))))
}

pub(crate) fn transports() -> TransportOptions {
    TransportOptions { allow_stateful_reconnects: true, ..TransportOptions::default() }
}

fn add_membership(hub: Hub) -> Hub {
    hub.method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
        .method("Leave", async |cx: HubContext, group: String| cx.groups().remove(group).await)
        .method("JoinConnection", async |cx: HubContext, id: String, group: String| {
            cx.groups().add_connection(id, group).await
        })
        .method("LeaveConnection", async |cx: HubContext, id: String, group: String| {
            cx.groups().remove_connection(id, group).await
        })
        .method("AddUser", async |cx: HubContext, user: String, group: String, ttl_ms: Option<u64>| {
            cx.groups().add_user(user, group, ttl_ms.map(Duration::from_millis)).await
        })
        .method("RemoveUser", async |cx: HubContext, user: String, group: String| {
            cx.groups().remove_user(user, group).await
        })
        .method("Ban", async |cx: HubContext, user: String, group: String| {
            cx.groups().ban_user(user, group).await
        })
        .method("Unban", async |cx: HubContext, user: String, group: String| {
            cx.groups().unban_user(user, group).await
        })
}

fn add_queries(hub: Hub) -> Hub {
    hub.method("Members", members)
        .method("Count", async |cx: HubContext, group: String| cx.groups().count(group).await)
        .method("Contains", async |cx: HubContext, group: String, member: Member| {
            Ok::<bool, HubError>(cx.groups().contains(group, member.parse()?).await?)
        })
        .method("GroupsOf", async |cx: HubContext, member: Member| {
            Ok::<_, HubError>(cx.groups().of(member.parse()?).await?)
        })
}

fn add_users(hub: Hub) -> Hub {
    hub.method("UsersOnline", users_online)
        .method("ConnectionsOf", connections_of)
        .method("IsOnline", async |cx: HubContext, user: String| cx.users().is_online(user).await)
        .method("DisconnectUser", async |cx: HubContext, user: String| cx.users().disconnect(user).await)
}

fn add_sends(hub: Hub) -> Hub {
    hub.method("ToAll", async |cx: HubContext, m: String| {
        cx.clients().all().send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("ToGroup", async |cx: HubContext, group: String, m: String| {
        cx.clients().group(group).send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("ToGroups", async |cx: HubContext, groups: Vec<String>, m: String| {
        cx.clients().groups(groups).send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("ToGroupExcept", async |cx: HubContext, group: String, m: String, ids: Vec<String>| {
        cx.clients().group_except(group, ids).send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("ToUser", async |cx: HubContext, user: String, m: String| {
        cx.clients().user(user).send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("ToUsers", async |cx: HubContext, users: Vec<String>, m: String| {
        cx.clients().users(users).send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("ToConnection", async |cx: HubContext, id: String, m: String| {
        cx.clients().connection(id).send("Message", (m,)).published_within(COMPLETE).await
    })
    .method("Burst", burst)
}

/// Who calls.
#[derive(Serialize)]
struct Caller {
    connection: ConnectionId,
    user: Option<UserId>,
}

/// A member of a group: exactly one of the two.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Member {
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
}

impl Member {
    fn parse(self) -> Result<GroupMember, HubError> {
        match (self.connection, self.user) {
            (Some(connection), None) => Ok(GroupMember::Connection(connection)),
            (None, Some(user)) => Ok(GroupMember::User(user)),
            _ => Err(HubError::shown("A member is either a connection or a user.")),
        }
    }
}

impl From<GroupMember> for Member {
    fn from(member: GroupMember) -> Self {
        match member {
            GroupMember::Connection(connection) => Self { connection: Some(connection), user: None },
            GroupMember::User(user) => Self { connection: None, user: Some(user) },
        }
    }
}

/// One page of a group's members.
#[derive(Serialize)]
struct Page {
    members: Vec<Member>,
    next: Option<String>,
}

async fn members(
    cx: HubContext,
    group: String,
    cursor: Option<String>,
    limit: usize,
) -> Result<Page, GroupError> {
    let page = cx.groups().members(group, cursor.map(PageCursor::new), limit).await?;
    Ok(Page {
        members: page.members.into_iter().map(Member::from).collect(),
        next: page.next.map(|cursor| cursor.as_str().to_owned()),
    })
}

/// One page of the users that are online.
#[derive(Serialize)]
struct OnlinePage {
    users: Vec<UserId>,
    next: Option<String>,
}

async fn users_online(cx: HubContext, cursor: Option<String>, limit: usize) -> Result<OnlinePage, UserError> {
    let page = cx.users().online(cursor.map(PageCursor::new), limit).await?;
    Ok(OnlinePage { users: page.users, next: page.next.map(|cursor| cursor.as_str().to_owned()) })
}

/// Lists all connections of a user, however many pages they take.
async fn connections_of(cx: HubContext, user: String) -> Result<Vec<ConnectionId>, UserError> {
    let (mut connections, mut cursor) = (Vec::new(), None);
    loop {
        let page = cx.users().connections_of(&user, cursor, 1_000).await?;
        connections.extend(page.connections);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(connections);
        }
    }
}

/// What `Keep` keeps of a connection, on whichever node it is.
#[derive(Clone, Default, Serialize, Deserialize)]
struct KeptTexts(HashMap<String, String>);

async fn keep(cx: HubContext, key: String, text: String) {
    cx.items().update(|KeptTexts(texts)| texts.insert(key, text));
}

async fn kept(cx: HubContext, key: String) -> Option<String> {
    cx.items().update(|KeptTexts(texts)| texts.get(&key).cloned())
}

/// Sends numbers in order, each when the one before it is on its way.
async fn burst(cx: HubContext, group: String, n: u32) -> Result<(), SendError> {
    for number in 0..n {
        cx.clients()
            .group(group.as_str())
            .send("Message", (number.to_string(),))
            .published_within(COMPLETE)
            .await?;
    }
    Ok(())
}
