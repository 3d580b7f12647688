//! The members of a group, as a listing returns them.

use hubward_types::{ConnectionId, UserId};

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupMember {
    /// One connection, until it is removed or closed.
    Connection(ConnectionId),
    /// A user with all connections, until removed or expired.
    User(UserId),
}

/// Where a listing continues. Opaque; valid for the group it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCursor(pub String);

/// A part of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPage {
    /// The members of this part.
    pub members: Vec<GroupMember>,
    /// Where to continue; absent at the end.
    pub next: Option<PageCursor>,
}
