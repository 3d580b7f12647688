//! What a group store is given, and what it returns.

use std::time::Duration;

use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

use crate::backplane::Cause;
use crate::owner::Owner;

/// A connection that opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenConnection {
    /// Its hub.
    pub hub: HubName,
    /// Its id.
    pub connection: ConnectionId,
    /// Its user, if it has one.
    pub user: Option<UserId>,
    /// Who opens it.
    pub owner: Owner,
    /// For how long its id is claimed: as long as its token could be used again.
    pub claim: Duration,
}

/// What connecting needs to know of a connection that was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct OpenedConnection {
    /// The groups of its user.
    pub groups: Vec<UserMembership>,
}

impl OpenedConnection {
    /// Makes one of a user with these groups.
    pub fn new(groups: Vec<UserMembership>) -> Self {
        Self { groups }
    }
}

/// A connection that a node holds, with the groups that it itself was added to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldConnection {
    /// Its hub.
    pub hub: HubName,
    /// Its id.
    pub connection: ConnectionId,
    /// Its user, if it has one.
    pub user: Option<UserId>,
    /// Its groups.
    pub groups: Vec<GroupName>,
    /// For how long its id is still claimed: as long as its token could be used again.
    pub claim: Duration,
}

/// What became of connections that were put back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Restored {
    /// The connections that were not put back, since another node has them: their node has lost them.
    pub lost: Vec<(HubName, ConnectionId)>,
    /// The groups that connections were not put back into, since their user has been banned from them.
    pub banned: Vec<(HubName, ConnectionId, GroupName)>,
}

impl Restored {
    /// Makes one in which these were not put back.
    pub fn new(lost: Vec<(HubName, ConnectionId)>, banned: Vec<(HubName, ConnectionId, GroupName)>) -> Self {
        Self { lost, banned }
    }
}

/// Whom a change of a user's membership concerns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct UserChange {
    /// The nodes that hold connections of the user, each once, in no particular order.
    pub nodes: Vec<NodeId>,
}

impl UserChange {
    /// Makes one that concerns these nodes.
    pub fn new(nodes: Vec<NodeId>) -> Self {
        Self { nodes }
    }
}

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Member {
    /// One connection, until it ends.
    Connection(ConnectionId),
    /// A user, with all present and future connections.
    User(UserId),
}

/// A group that a user is in, and the remaining time to live if the membership expires.
pub type UserMembership = (GroupName, Option<Duration>);

/// One page of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The members, in the store's order. A page may be short, or even empty, and yet not be the last.
    pub members: Vec<Member>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
}

/// One page of a listing of users.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UsersPage {
    /// The users, in the store's order. A page may be short, or even empty, and yet not be the last.
    pub users: Vec<UserId>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
}

/// One page of a listing of connections.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConnectionsPage {
    /// The connections, in the store's order. A page may be short, or even empty, and yet not be the last.
    pub connections: Vec<ConnectionId>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
}

/// Where a listing continues. Its format is up to the store. A caller may hand it to others and take it back,
/// so a store validates it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// Wraps the string of a cursor.
    pub fn new(cursor: impl Into<Box<str>>) -> Self {
        Self(cursor.into())
    }

    /// Returns the string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a call of a [`GroupStore`](crate::GroupStore) failed. It is for the operator, except
/// [`InvalidCursor`](Self::InvalidCursor), which is the caller's mistake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The record cannot be reached at present; a later call may succeed.
    #[error("the group store cannot be reached")]
    Unavailable(#[source] Option<Cause>),
    /// The record has an entry that this version cannot read.
    #[error("the group store has an entry that cannot be read")]
    Corrupt(#[source] Option<Cause>),
    /// The connection id was used before.
    #[error("the connection was opened before, on the node '{by}'")]
    Claimed {
        /// The node that opened it.
        by: NodeId,
    },
    /// The connection is not open, or another node holds it.
    #[error("the connection is not held by this node")]
    NotOwner,
    /// The user is banned from the group.
    #[error("the user is banned from the group")]
    Banned,
    /// The node was taken for dead, or has left: it has to announce itself anew.
    #[error("the node was taken for dead and has to announce itself anew")]
    Fenced,
    /// The call is about more than it may be about.
    #[error("a call about {given} entries exceeds the limit of {limit}")]
    TooMany {
        /// How many there were.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A session is larger than one that is kept.
    #[error("a session of {bytes} bytes exceeds the limit of {limit_bytes} bytes for one that is kept")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit_bytes: usize,
    },
    /// The cursor is not from a page of this store.
    #[error("the cursor is not one of this group store")]
    InvalidCursor,
}
