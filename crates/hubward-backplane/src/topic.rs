//! The addresses that nodes subscribe to and publish on. A topic is a value, not a string: each backplane
//! chooses how to write it as a channel name, and must keep topics apart whatever characters are in their
//! names.

use hubward_types::{GroupName, HubName, NodeId, UserId};

/// An address of envelopes: nodes subscribe to it and publish on it.
///
/// A connection has no topic: what is for one connection is published on the topic of the node that holds it, so that a
/// connection costs the message broker nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// All connections of a hub: a broadcast.
    All(HubName),
    /// The members of a group of a hub.
    Group(HubName, GroupName),
    /// All connections of a user to a hub.
    User(HubName, UserId),
    /// A node itself: what is for its connections, and the replies that it waits for.
    Node(NodeId),
    /// All nodes.
    Nodes,
}

impl Topic {
    /// Returns the hub that the topic belongs to; those of nodes belong to none.
    pub fn hub(&self) -> Option<&HubName> {
        match self {
            Self::All(hub) | Self::Group(hub, _) | Self::User(hub, _) => Some(hub),
            Self::Node(_) | Self::Nodes => None,
        }
    }
}
