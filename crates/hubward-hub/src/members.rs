//! The members of a group, as a listing returns them.

use hubward_types::{ConnectionId, UserId};

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupMember {
    /// One connection, for as long as it lives.
    Connection(ConnectionId),
    /// A user: all connections, until removed or lapsed.
    User(UserId),
}

/// Where a listing goes on. Opaque; valid for the group it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCursor(pub String);

/// A part of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPage {
    /// The members of this part.
    pub members: Vec<GroupMember>,
    /// Where to go on; none at the end.
    pub next: Option<PageCursor>,
}
