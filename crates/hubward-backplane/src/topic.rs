//! The addresses that nodes subscribe to and publish on. A topic is a value, not a string: each backplane
//! chooses how to write it as a channel name, and must keep topics apart whatever characters are in their
//! names.

use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

/// An address of envelopes: nodes subscribe to it and publish on it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// All connections of a hub: a broadcast.
    All(HubName),
    /// The members of a group of a hub.
    Group(HubName, GroupName),
    /// All connections of a user to a hub.
    User(HubName, UserId),
    /// One connection of a hub.
    Connection(HubName, ConnectionId),
    /// A node itself: client results and confirmations that it waits for.
    Node(NodeId),
}

impl Topic {
    /// Returns the hub that the topic belongs to; a node's own topic belongs to none.
    pub fn hub(&self) -> Option<&HubName> {
        match self {
            Self::All(hub) | Self::Group(hub, _) | Self::User(hub, _) | Self::Connection(hub, _) => Some(hub),
            Self::Node(_) => None,
        }
    }
}
