//! The seam to where membership lives: the one true record of who is in which group. It delivers nothing;
//! a node's own index of its connections is a cache of this for delivery.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

use crate::Cause;

/// The most members that one page may hold, whatever was asked for: a page is read in one step that others
/// wait for, and a thousand names take well under a millisecond.
pub const MAX_PAGE_MEMBERS: usize = 1_000;

/// The one true record of who is in which group.
///
/// Groups come to be with their first member and go with their last. Two memberships exist side by side: that
/// of a connection, which ends with the connection, and that of a user, which ends when it is removed or
/// lapses and holds for all of the user's connections. All names are the hub's own: the same group name in
/// two hubs is two groups.
pub trait GroupStore: Send + Sync + 'static {
    /// Puts a connection into a group; doing it again changes nothing. The connection belongs to `node` from
    /// now on, with all its groups.
    ///
    /// # Errors
    ///
    /// Fails where it could not be recorded; the caller must then not deliver for it.
    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        node: &NodeId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes a connection out of a group. It is no error if it is not a member.
    ///
    /// # Errors
    ///
    /// Fails where it could not be recorded.
    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes a connection out of all its groups, because it has ended.
    ///
    /// # Errors
    ///
    /// Fails where it could not be recorded.
    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Puts a user into a group: until removed, or for `ttl`. Doing it again puts the new `ttl` in the old
    /// one's place, be it longer, shorter or none. A `ttl` of zero has lapsed at once.
    ///
    /// # Errors
    ///
    /// Fails where it could not be recorded.
    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes a user out of a group. It is no error if it is not a member.
    ///
    /// # Errors
    ///
    /// Fails where it could not be recorded.
    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns the groups that a connection itself was put into, in no particular order.
    ///
    /// # Errors
    ///
    /// Fails where the record could not be read.
    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>>;

    /// Returns the groups that a user was put into, each with how long it still lasts where it is to lapse,
    /// in no particular order. What has lapsed is not among them.
    ///
    /// # Errors
    ///
    /// Fails where the record could not be read.
    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>>;

    /// Lists a group's members from `cursor` on, at most `limit` (zero counts as one) and at most
    /// [`MAX_PAGE_MEMBERS`] at a time. Whoever is a member throughout a listing is listed exactly once,
    /// whatever else changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidCursor`] for a cursor that no page of this store gave; otherwise where the record
    /// could not be read.
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
    /// Fails where the record could not be read.
    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Tells whether a group has this member: the connection or the user itself. A connection is not a member
    /// because its user is one.
    ///
    /// # Errors
    ///
    /// Fails where the record could not be read.
    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Takes every connection that belongs to a node out of all groups, because the node is dead. Users stay.
    ///
    /// # Errors
    ///
    /// Fails where it could not be recorded in full; it may be called again.
    fn end_node(&self, node: &NodeId) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Who can be in a group.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Member {
    /// One connection, for as long as it lives.
    Connection(ConnectionId),
    /// A user, with all connections present and future.
    User(UserId),
}

/// A group that a user is in, and how long that still lasts where it is to lapse.
pub type UserMembership = (GroupName, Option<Duration>);

/// One step of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The members, in the store's order. A page may be short, or even empty, and yet not be the last.
    pub members: Vec<Member>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Where a listing goes on. Its text is the store's own, and may be handed to others and taken back: a store
/// checks it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// Wraps the text of a cursor.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a group store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The record cannot be reached now; later it may.
    #[error("the group store cannot be reached")]
    Unavailable(#[source] Option<Cause>),
    /// The record holds what this version cannot read.
    #[error("the group store holds an entry that cannot be read")]
    Corrupt(#[source] Option<Cause>),
    /// The caller gave a cursor that no page of this store gave.
    #[error("the cursor is not one of this group store")]
    InvalidCursor,
}
