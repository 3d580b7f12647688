//! The interface between hub code and what delivers its messages. `hubward-server` implements it; a test may, too.

pub(crate) mod call;
pub(crate) mod client_result;
pub(crate) mod group_members;
pub(crate) mod presence;
pub(crate) mod sending;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, Target, TraceContext, UserId};

use crate::engine::call::EncodeCall;
use crate::engine::client_result::RawClientResult;
use crate::engine::group_members::{GroupMember, GroupPage, PageCursor};
use crate::engine::presence::{ConnectionPage, UserPage};
use crate::engine::sending::Sending;
use crate::error::{ClientResultError, GroupError, UserError};

/// Carries out what hub code does to connections and groups. There is one for each hub and node.
pub trait HubEngine: Send + Sync + 'static {
    /// Returns the hub's name.
    fn hub(&self) -> &HubName;
    /// Returns the id of the node that this runs on.
    fn node(&self) -> &NodeId;
    /// Returns the trace that all that this does belongs to, if any.
    fn trace_context(&self) -> Option<&TraceContext>;
    /// Returns the same, as a part of a trace: what it sends to other nodes, and asks of them, carries that.
    fn with_trace_context(&self, trace: TraceContext) -> Arc<dyn HubEngine>;
    /// Sends a call to each recipient: those of this node have it queued when this returns, and other nodes get it when
    /// [`Sending`] is awaited, which is the sender's backpressure as well.
    fn send(&self, target: &Target, call: &dyn EncodeCall) -> Sending;
    /// Invokes a method of one client, on whichever node it is, and waits for the client result. `caller` is the
    /// connection and the number of the call that waits, if any: it has no permit meanwhile.
    fn invoke_client(
        &self,
        connection: &ConnectionId,
        call: &dyn EncodeCall,
        caller: Option<(&ConnectionId, u64)>,
    ) -> BoxFuture<'static, Result<RawClientResult, ClientResultError>>;
    /// Closes a connection, on whichever node it is.
    fn abort(&self, connection: &ConnectionId) -> Sending;
    /// Adds a connection, of whichever node, to a group.
    fn add_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Removes a connection, of whichever node, from a group.
    fn remove_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Adds all connections of a user, present and future, to a group. The membership expires after `ttl`, if that is
    /// given.
    fn add_user(
        &self,
        user: &UserId,
        group: &GroupName,
        ttl: Option<Duration>,
    ) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Removes a user from a group.
    fn remove_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Bans a user from a group: ends the membership of the user and of its connections, and refuses new ones.
    fn ban_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Ends a ban.
    fn unban_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<'static, Result<(), GroupError>>;
    /// Lists at most `limit` of a group's members, from the cursor on.
    fn members(
        &self,
        group: &GroupName,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<GroupPage, GroupError>>;
    /// Counts a group's members.
    fn count(&self, group: &GroupName) -> BoxFuture<'static, Result<u64, GroupError>>;
    /// Returns whether a group has a member.
    fn contains(
        &self,
        group: &GroupName,
        member: &GroupMember,
    ) -> BoxFuture<'static, Result<bool, GroupError>>;
    /// Lists the groups of a connection or a user.
    fn groups_of(&self, member: &GroupMember) -> BoxFuture<'static, Result<Vec<GroupName>, GroupError>>;
    /// Lists at most `limit` of the users that are online, from the cursor on.
    fn users_online(
        &self,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<UserPage, UserError>>;
    /// Lists at most `limit` of a user's open connections, from the cursor on.
    fn connections_of_user(
        &self,
        user: &UserId,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<ConnectionPage, UserError>>;
    /// Returns whether a user has an open connection.
    fn is_online(&self, user: &UserId) -> BoxFuture<'static, Result<bool, UserError>>;
    /// Ends all connections of a user, on every node.
    fn disconnect_user(&self, user: &UserId) -> BoxFuture<'static, Result<(), UserError>>;
}
