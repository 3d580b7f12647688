//! What a group store is given, and what it returns, where a connection moves from one node to another.

use std::time::Duration;

use bytes::Bytes;
use hubward_types::{ConnectionId, GroupName, HubName, UserId};

use super::values::UserMembership;
use crate::owner::Owner;

/// The largest session that is parked: 1 MiB. A store keeps it in memory, and others wait while it is written.
pub const MAX_PARKED_BYTES: usize = 1024 * 1024;

/// A connection that moves from a node to another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakeOver {
    /// Its hub.
    pub hub: HubName,
    /// Its id.
    pub connection: ConnectionId,
    /// Who holds it. Its life may have ended, as long as it was not swept.
    pub from: Owner,
    /// Who is to hold it.
    pub to: Owner,
}

/// What the new owner of a connection needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TakenOver {
    /// The groups that the connection itself was added to.
    pub own_groups: Vec<GroupName>,
    /// The groups of its user.
    pub user_groups: Vec<UserMembership>,
}

impl TakenOver {
    /// Makes one of a connection in these groups, whose user is in those.
    pub fn new(own_groups: Vec<GroupName>, user_groups: Vec<UserMembership>) -> Self {
        Self { own_groups, user_groups }
    }
}

/// A session that is kept for a client that comes back, where no other node can take it over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParkedSession {
    /// Its hub.
    pub hub: HubName,
    /// Its connection.
    pub connection: ConnectionId,
    /// Who holds the connection.
    pub owner: Owner,
    /// The session, sealed: whoever can read the store learns nothing of it.
    pub sealed: Bytes,
    /// For how long it is kept.
    pub ttl: Duration,
}

/// A connection whose parked session is to be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unpark {
    /// Its hub.
    pub hub: HubName,
    /// Its id.
    pub connection: ConnectionId,
    /// Its user, if it has one.
    pub user: Option<UserId>,
    /// Who is to hold it.
    pub owner: Owner,
    /// For how long its id is still claimed: as long as its token could be used again.
    pub claim: Duration,
}

/// A parked session that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Unparked {
    /// The session, as it was given.
    pub sealed: Bytes,
    /// The groups of its user.
    pub user_groups: Vec<UserMembership>,
}

impl Unparked {
    /// Makes one of a session whose user is in these groups.
    pub fn new(sealed: Bytes, user_groups: Vec<UserMembership>) -> Self {
        Self { sealed, user_groups }
    }
}
