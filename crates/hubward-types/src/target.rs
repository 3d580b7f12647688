//! Whom a message is for.

use crate::{ConnectionId, GroupName, UserId};

/// The recipients of a message, as SignalR's selectors name them.
///
/// Where several connections, groups or users are named, each is served for itself: a connection in two of the
/// named groups receives the message twice, as with ASP.NET Core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every connection of the hub.
    All,
    /// Every connection of the hub but these.
    AllExcept(Vec<ConnectionId>),
    /// These connections; those that are gone are passed over.
    Connections(Vec<ConnectionId>),
    /// The members of one group.
    Group(GroupName),
    /// The members of each of these groups.
    Groups(Vec<GroupName>),
    /// The members of a group but these.
    GroupExcept(GroupName, Vec<ConnectionId>),
    /// All connections of each of these users.
    Users(Vec<UserId>),
}
