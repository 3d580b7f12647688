//! The trait of the record of who is in which group. It delivers nothing; a node's own index of its
//! connections is a cache of this record for delivery.

mod moving;
mod values;

use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

pub use self::moving::{MAX_PARKED_BYTES, ParkedSession, TakeOver, TakenOver, Unpark, Unparked};
pub use self::values::{
    ConnectionsPage, Cursor, HeldConnection, Member, OpenConnection, OpenedConnection, Page, Restored,
    StoreError, UserChange, UserMembership, UsersPage,
};
use crate::owner::Owner;

/// The most entries that one page may hold, whatever limit the caller gives: a page is read in one step,
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
/// removed or expires. A user that is banned from a group, and each of its connections, is a member by neither. Names belong to a hub: the same group name in two hubs is two groups.
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
    /// [`StoreError::NotOwner`] if the connection is not open, or another's; [`StoreError::Fenced`];
    /// [`StoreError::Banned`] if the user it was opened with is banned from the group; otherwise if it could not be
    /// recorded. The caller must then not deliver messages of the group to it.
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
    /// are, and are [lost](Restored::lost), as are those whose id another node has claimed. A connection is not put back
    /// into a group that its user is banned from at that time, which is returned in [`banned`](Restored::banned). A ban
    /// that was ended before is not remembered. At most [`MAX_RESTORED_AT_ONCE`] at a time.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooMany`] over that number; [`StoreError::Fenced`]; otherwise if it could not be recorded
    /// completely; the caller may try again.
    fn restore(
        &self,
        owner: &Owner,
        connections: Vec<HeldConnection>,
    ) -> BoxFuture<'_, Result<Restored, StoreError>>;

    /// Gives a connection to another node: from then on nothing that its former owner records for it changes anything. It
    /// stays in its groups, and its id stays claimed. Of several that take a connection over from one owner, one has it. The
    /// call may be repeated for the same new owner, such as when the first one's reply was lost.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotOwner`] if the connection is not open, or somebody else holds it; [`StoreError::Fenced`] if the new
    /// owner's life has ended; otherwise if it could not be recorded.
    fn take_over(&self, taking: TakeOver) -> BoxFuture<'_, Result<TakenOver, StoreError>>;

    /// Keeps a session for a client that comes back to whichever node. A later session of the same connection takes its
    /// place.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotOwner`] if the connection is not open, or another's; [`StoreError::Fenced`];
    /// [`StoreError::TooLarge`] over [`MAX_PARKED_BYTES`]; otherwise if it could not be recorded.
    fn park(&self, session: ParkedSession) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes a parked session, and records its connection for its new owner, in no groups of its own: see
    /// [`restore`](Self::restore). Of several that take it, one has it. `None` where there is none, where it was kept for long enough,
    /// where another has taken it, or holds the connection and lives. The call may be repeated for the same owner while it
    /// holds the connection.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`]; otherwise if it could not be recorded.
    fn unpark(&self, taking: Unpark) -> BoxFuture<'_, Result<Option<Unparked>, StoreError>>;

    /// Adds a user to a group: until removed, or for `ttl`. Adding it again replaces the `ttl`, be the new
    /// one longer, shorter or absent. A `ttl` of zero has expired at once. Returns which nodes hold connections of the
    /// user. A connection of the user that opens concurrently is either on one of those nodes, or is opened with the
    /// change in its groups.
    ///
    /// # Errors
    ///
    /// [`StoreError::Banned`] if the user is banned from the group; otherwise if it could not be recorded.
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

    /// Bans a user from a group: removes the user's membership and those of all connections that were opened with the
    /// user, and refuses new ones until [`unban_user`](Self::unban_user). Banning again changes nothing. No call comes in
    /// between: a join is recorded before the ban, and ended by it, or refused. Returns which nodes hold connections of the
    /// user, as [`add_user`](Self::add_user) does, also where the user was banned before.
    ///
    /// A ban lasts until it is ended, whether or not the user is connected or the group has members.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn ban_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>>;

    /// Ends a ban. It is not an error if there is none. What the ban has ended stays ended.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded.
    fn unban_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Lists the users that have an open connection, of a node that lives, from `cursor` on, with limits as in
    /// [`members`](Self::members). A user that stays connected throughout a listing is listed exactly once, whatever else
    /// changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidCursor`] for a cursor that is not from a page of such a listing; otherwise if the record could
    /// not be read.
    fn users_online(
        &self,
        hub: &HubName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<UsersPage, StoreError>>;

    /// Lists the open connections of a user, of nodes that live, from `cursor` on, with limits as in
    /// [`members`](Self::members). A connection that stays open throughout a listing is listed exactly once, whatever else
    /// changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidCursor`] for a cursor that is not from a page of such a listing; otherwise if the record could
    /// not be read.
    fn connections_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<ConnectionsPage, StoreError>>;

    /// Returns whether a user has an open connection, of a node that lives.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn is_online(&self, hub: &HubName, user: &UserId) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Returns the nodes that hold connections of a user and live, each once, in no particular order.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn nodes_of_user(&self, hub: &HubName, user: &UserId) -> BoxFuture<'_, Result<Vec<NodeId>, StoreError>>;

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
