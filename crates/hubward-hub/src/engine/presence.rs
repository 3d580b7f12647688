//! Who is online, as a listing returns it.

use hubward_types::{ConnectionId, UserId};

use super::group_members::PageCursor;

/// A part of the users that are online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The users of this part. It may be short, or even empty, and yet not be the last.
    pub users: Vec<UserId>,
    /// Where to continue; absent at the end.
    pub next: Option<PageCursor>,
}

/// A part of the connections of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPage {
    /// The connections of this part. It may be short, or even empty, and yet not be the last.
    pub connections: Vec<ConnectionId>,
    /// Where to continue; absent at the end.
    pub next: Option<PageCursor>,
}
