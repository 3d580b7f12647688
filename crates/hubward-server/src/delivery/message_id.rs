//! Which message something is, so that two nodes that hold one connection after the other find out which of them has
//! delivered it. Nothing is kept of it but while a connection moves.

use std::hash::{Hash, Hasher};

use hubward_backplane::Topic;
use hubward_types::{GroupName, NodeId, UserId};

/// A message on a topic. A message to several groups is one on each: a member of two of them gets it twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct MessageId {
    topic: TopicKey,
    /// The sender and its number of the message. Numbers of two senders are so close to each other, and their names' hashes
    /// so far apart, that no two messages of the minute that a move lasts have the same.
    message: u64,
}

/// The hash of a topic, within a hub: the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct TopicKey(u64);

/// The hash of a node's id: the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SenderKey(u64);

/// How a message came into a mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// From this connection's own calls, or for one of its results: it ends where the connection ends.
    Own,
    /// It was sent to this connection alone, on this node.
    Direct,
    /// It was sent to this connection alone, on another node.
    ReceivedDirect,
    /// It was sent to a topic, on this node.
    Sent(MessageId),
    /// It was sent to a topic, on another node.
    Received(MessageId),
    /// It was sent to a topic, and has no number: nodes of an earlier version give none, nor does a node that is alone.
    Unnumbered,
}

impl MessageId {
    pub(crate) fn new(topic: TopicKey, sender: SenderKey, number: u64) -> Self {
        Self { topic, message: sender.0 ^ number }
    }

    pub(crate) fn topic(self) -> TopicKey {
        self.topic
    }

    /// What another node makes the same id of.
    pub(crate) fn to_pair(self) -> (u64, u64) {
        (self.topic.0, self.message)
    }

    pub(crate) fn from_pair((topic, message): (u64, u64)) -> Self {
        Self { topic: TopicKey(topic), message }
    }
}

impl TopicKey {
    pub(crate) fn all() -> Self {
        Self(Fnv::of(b'a', ""))
    }

    pub(crate) fn group(group: &GroupName) -> Self {
        Self(Fnv::of(b'g', group.as_str()))
    }

    pub(crate) fn user(user: &UserId) -> Self {
        Self(Fnv::of(b'u', user.as_str()))
    }

    /// The key of a topic that messages are sent to; `None` for one of nodes.
    pub(crate) fn of(topic: &Topic) -> Option<Self> {
        match topic {
            Topic::All(_) => Some(Self::all()),
            Topic::Group(_, group) => Some(Self::group(group)),
            Topic::User(_, user) => Some(Self::user(user)),
            Topic::Node(_) | Topic::Nodes => None,
        }
    }
}

impl SenderKey {
    pub(crate) fn of(node: &NodeId) -> Self {
        Self(Fnv::of(b'n', node.as_str()))
    }
}

/// FNV-1a of 64 bits. A client that chooses names which have the same hash risks nothing but its own messages, and those only
/// where the same message is sent to both groups while its connection moves.
struct Fnv(u64);

impl Fnv {
    fn of(kind: u8, name: &str) -> u64 {
        let mut hasher = Self(0xcbf2_9ce4_8422_2325);
        hasher.write(&[kind]);
        hasher.write(name.as_bytes());
        hasher.finish()
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_on_every_node_and_of_every_version() {
        assert_eq!(TopicKey::all(), TopicKey(0xaf63_dc4c_8601_ec8c));
        // Of the published test vectors: FNV-1a of "foobar" without its first letter's kind would be another.
        assert_eq!(Fnv::of(b'f', "oobar"), 0x8594_4171_f739_67e8);
        assert_eq!(TopicKey::of(&Topic::Group("h".into(), "g".into())), Some(TopicKey::group(&"g".into())));
        assert_eq!(TopicKey::of(&Topic::User("h".into(), "g".into())), Some(TopicKey::user(&"g".into())));
        assert_eq!(TopicKey::of(&Topic::All("h".into())), Some(TopicKey::all()));
        assert_eq!(TopicKey::of(&Topic::Nodes), None);
    }

    #[test]
    fn messages_differ_by_topic_sender_and_number() {
        let (one, two) = (SenderKey::of(&"node-1".into()), SenderKey::of(&"node-2".into()));
        let (ward, alice) = (TopicKey::group(&"alice".into()), TopicKey::user(&"alice".into()));
        let ids = [
            MessageId::new(ward, one, 1),
            MessageId::new(alice, one, 1),
            MessageId::new(ward, two, 1),
            MessageId::new(ward, one, 2),
        ];
        let distinct: std::collections::HashSet<_> = ids.into_iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(MessageId::from_pair(ids[0].to_pair()), ids[0]);
    }
}
