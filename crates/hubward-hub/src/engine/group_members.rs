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

/// Where a listing continues. Opaque; valid for the listing it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCursor(Box<str>);

impl PageCursor {
    /// Wraps the string of a cursor, such as one that a client kept.
    pub fn new(cursor: impl Into<Box<str>>) -> Self {
        Self(cursor.into())
    }

    /// Returns the string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPage {
    /// The members of this part.
    pub members: Vec<GroupMember>,
    /// Where to continue; absent at the end.
    pub next: Option<PageCursor>,
}
