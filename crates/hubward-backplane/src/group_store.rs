//! The trait of the record of who is in which group. It delivers nothing; a node's own index of its
//! connections is a cache of this record for delivery.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

use crate::backplane::Cause;

/// The most members that one page may hold, whatever limit the caller gives: a page is read in one step,
/// which blocks other callers, and a thousand names take well under a millisecond.
pub const MAX_PAGE_MEMBERS: usize = 1_000;

/// The authoritative record of who is in which group.
///
/// A group exists while it has a member. There are two kinds of membership: that of a connection, which ends
/// with the connection; and that of a user, which applies to all connections of the user and ends when it is
/// removed or expires. Names belong to a hub: the same group name in two hubs is two groups.
pub trait GroupStore: Send + Sync + 'static {
    /// Adds a connection to a group; adding it again changes nothing. From now on the connection belongs to
    /// `node`, with all its groups.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded; the caller must then not deliver messages of the group to it.
    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        node: &NodeId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a connection from a group. It is not an error if it is not a member.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a connection from all its groups, because it has ended.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Adds a user to a group: until removed, or for `ttl`. Adding it again replaces the `ttl`, be the new
    /// one longer, shorter or absent. A `ttl` of zero has expired at once.
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
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a user from a group. It is not an error if it is not a member.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

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

    /// Removes all connections of a node from all groups, because the node is dead. Users stay.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded completely; the caller may try again.
    fn end_node(&self, node: &NodeId) -> BoxFuture<'_, Result<(), StoreError>>;
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
    /// The cursor is not from a page of this store.
    #[error("the cursor is not one of this group store")]
    InvalidCursor,
}
