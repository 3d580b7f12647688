//! The trait of the record of who is in which group. It delivers nothing; a node's own index of its
//! connections is a cache of this record for delivery.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

use crate::backplane::Cause;
use crate::owner::Owner;

/// The most members that one page may hold, whatever limit the caller gives: a page is read in one step,
/// which blocks other callers, and a thousand names take well under a millisecond.
pub const MAX_PAGE_MEMBERS: usize = 1_000;

/// The most users whose groups one call reads: see [`GroupStore::groups_of_users`].
pub const MAX_USERS_AT_ONCE: usize = 100;

/// The most connections that one call restores: see [`GroupStore::restore`].
pub const MAX_RESTORED_AT_ONCE: usize = 100;

/// The authoritative record of who is in which group, and of which node holds which connection.
///
/// A group exists while it has a member. There are two kinds of membership: that of a connection, which ends
/// with the connection; and that of a user, which applies to all connections of the user and ends when it is
/// removed or expires. Names belong to a hub: the same group name in two hubs is two groups.
///
/// What a node records about its connections carries the node's [`Owner`]. A node whose life has ended, as its
/// [`NodeRegistry`](crate::NodeRegistry) says, is [`Fenced`](StoreError::Fenced); what comes late from a former owner
/// of a connection changes nothing.
///
/// # Cancellation
///
/// A call whose future is dropped is made wholly or not at all. It has its place before every call that is made after
/// it: a late effect of it does not undo what a later call recorded.
///
/// [Time](crate#time) says how long a call may take.
pub trait GroupStore: Send + Sync + 'static {
    /// Records a connection that opens: its owner and its user; and returns what connecting needs. The first call for a
    /// connection id claims it, for as long as its token could be used again, also beyond the connection's end, and as
    /// long as it is open. The same owner may repeat the call while the connection is open, such as when the first one's
    /// reply was lost.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] if the connection was opened before; [`StoreError::Fenced`]; otherwise if it could not be
    /// recorded.
    fn open_connection(&self, opening: OpenConnection)
    -> BoxFuture<'_, Result<OpenedConnection, StoreError>>;

    /// Returns who holds a connection; `None` where nobody that lives does.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn owner(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Option<Owner>, StoreError>>;

    /// Adds a connection to a group; adding it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotOwner`] if the connection is not open, or another's; [`StoreError::Fenced`]; otherwise if it
    /// could not be recorded. The caller must then not deliver messages of the group to it.
    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a connection from a group. It is not an error if it is not a member. If another holds the connection,
    /// nothing changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`]; otherwise if it could not be recorded.
    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a connection, with all its groups, because it has ended. Its id stays claimed. If another holds the
    /// connection, nothing changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`]; otherwise if it could not be recorded.
    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Puts back connections that a node holds, and claims their ids again, after it was taken for dead and has announced
    /// itself anew, or after the record was lost. Those that another node has opened or taken over meanwhile stay as they
    /// are, and are returned, as are those whose id another node has claimed: the caller has lost them. At most
    /// [`MAX_RESTORED_AT_ONCE`] at a time.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooMany`] over that number; [`StoreError::Fenced`]; otherwise if it could not be recorded
    /// completely; the caller may try again.
    fn restore(
        &self,
        owner: &Owner,
        connections: Vec<HeldConnection>,
    ) -> BoxFuture<'_, Result<Vec<(HubName, ConnectionId)>, StoreError>>;

    /// Adds a user to a group: until removed, or for `ttl`. Adding it again replaces the `ttl`, be the new
    /// one longer, shorter or absent. A `ttl` of zero has expired at once. Returns which nodes hold connections of the
    /// user. A connection of the user that opens concurrently is either on one of those nodes, or is opened with the
    /// change in its groups.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>>;

    /// Removes a user from a group. It is not an error if it is not a member. Returns which nodes hold connections of
    /// the user, as [`add_user`](Self::add_user) does.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>>;

    /// Returns a user's membership of one group, with its remaining time to live if it expires; `None` where the user
    /// is not a member.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Option<UserMembership>, StoreError>>;

    /// Returns the groups of several users, in the order of the users, as [`groups_of_user`](Self::groups_of_user) does
    /// for one. At most [`MAX_USERS_AT_ONCE`] at a time.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooMany`] over that number; otherwise if the record could not be read.
    fn groups_of_users(
        &self,
        hub: &HubName,
        users: Vec<UserId>,
    ) -> BoxFuture<'_, Result<Vec<Vec<UserMembership>>, StoreError>>;

    /// Returns the groups that a connection itself was added to, in no particular order.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>>;

    /// Returns the groups that a user was added to, each with its remaining time to live if it expires, in no
    /// particular order. Expired memberships are left out.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>>;

    /// Lists the members of a group from `cursor` on, at most `limit` (zero counts as one) and at most
    /// [`MAX_PAGE_MEMBERS`] at a time. A member that stays throughout a listing is listed exactly once,
    /// whatever else changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidCursor`] for a cursor that is not from a page of this store; otherwise if the
    /// record could not be read.
    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// Returns how many members a group has: connections and users, each counted as one.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Returns whether a group has this member: the connection or the user itself. A connection is not a
    /// member merely because its user is one.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;
}

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

/// Why a call of a [`GroupStore`] failed. It is for the operator, except
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
    /// The cursor is not from a page of this store.
    #[error("the cursor is not one of this group store")]
    InvalidCursor,
}
