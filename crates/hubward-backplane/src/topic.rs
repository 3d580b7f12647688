//! What envelopes are addressed to. A topic is a value, not a text: how it is written as a channel's name is
//! for each backplane to choose, so that names with separators in them can never run into one another.

use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};

/// An address that nodes subscribe to and publish on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// Every connection of a hub.
    All(HubName),
    /// The members of a group of a hub.
    Group(HubName, GroupName),
    /// All connections of a user to a hub.
    User(HubName, UserId),
    /// One connection of a hub.
    Connection(HubName, ConnectionId),
    /// A node itself: what answers what it asked.
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
