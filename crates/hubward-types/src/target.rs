//! The recipients of a message.

use crate::{ConnectionId, GroupName, UserId};

/// The recipients of a message, as SignalR's selectors name them.
///
/// A connection in two of several groups receives the message twice, as in ASP.NET Core. A connection or user that is
/// named twice receives it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All connections of the hub: a broadcast.
    All,
    /// All connections of the hub except these.
    AllExcept(Vec<ConnectionId>),
    /// These connections. Those that do not exist are skipped.
    Connections(Vec<ConnectionId>),
    /// The members of a group.
    Group(GroupName),
    /// The members of each of these groups.
    Groups(Vec<GroupName>),
    /// The members of a group except these.
    GroupExcept(GroupName, Vec<ConnectionId>),
    /// All connections of each of these users.
    Users(Vec<UserId>),
}
