//! The names of keys and channels. Every name begins with a prefix and the version of the format.
//!
//! # Keys
//!
//! `{PREFIX}:1:` stands before each. The braces are the hash tag: in a Cluster all keys of a prefix are on one server, so
//! that a script can change several of them in one step. A name within a name is written with its length before it
//! (`8:clinical`), so that names stay apart whatever is in them. `docs/guide/several-nodes.md` explains each key; they
//! are written by `store/lua/`, whose first file has their names.
//!
//! # Channels
//!
//! `PREFIX:1:` stands before each, then a letter for the kind of the topic. They have no hash tag unless a name has
//! braces; a Cluster spreads them over its servers. Channels of different databases are the same: the prefix keeps two
//! uses of a Redis apart.

use hubward_backplane::Topic;

/// The version of the format of keys, channels and messages.
const VERSION: u8 = 1;

/// The names of one prefix.
#[derive(Clone, Debug)]
pub(crate) struct KeySpace {
    keys: String,
    channels: String,
}

impl KeySpace {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { keys: format!("{{{prefix}}}:{VERSION}:"), channels: format!("{prefix}:{VERSION}:") }
    }

    /// What all keys begin with.
    pub(crate) fn keys(&self) -> &str {
        &self.keys
    }

    /// The channel of nodes that come and go. It is on the server of the keys, since scripts publish on it.
    pub(crate) fn events(&self) -> String {
        format!("{}events", self.keys)
    }

    /// A channel that no topic has, one of many.
    pub(crate) fn unused_channel(&self, number: u32) -> String {
        format!("{}check:{number}", self.channels)
    }

    /// The channel of a topic.
    pub(crate) fn channel(&self, topic: &Topic) -> Box<[u8]> {
        let channels = &self.channels;
        let hub_length = topic.hub().map_or(0, |hub| hub.as_str().len());
        let name = match topic {
            Topic::All(hub) => format!("{channels}a:{hub}"),
            Topic::Group(hub, group) => format!("{channels}g:{hub_length}:{hub}{group}"),
            Topic::User(hub, user) => format!("{channels}u:{hub_length}:{hub}{user}"),
            Topic::Node(node) => format!("{channels}n:{node}"),
            Topic::Nodes => format!("{channels}nodes"),
        };
        name.into_bytes().into_boxed_slice()
    }
}

/// The slot of a key or channel in a Redis Cluster: of what stands between the first braces, where that is not empty.
/// As the specification of Redis Cluster says.
pub(crate) fn slot(name: &[u8]) -> u16 {
    let tag = || {
        let open = name.iter().position(|byte| *byte == b'{')? + 1;
        let length = name.get(open..)?.iter().position(|byte| *byte == b'}')?;
        name.get(open..open + length).filter(|tag| !tag.is_empty())
    };
    crc16(tag().unwrap_or(name)) % SLOTS
}

/// How many slots a Redis Cluster has.
pub(crate) const SLOTS: u16 = 16_384;

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
    }

    #[test]
    fn topics_that_look_alike_have_channels_of_their_own() {
        let space = KeySpace::new("p");
        let topics = [
            Topic::All("h".into()),
            Topic::Group("h".into(), "g".into()),
            Topic::Group("hg".into(), "".into()),
            Topic::Group("".into(), "hg".into()),
            Topic::Group("1".into(), ":h".into()),
            Topic::User("h".into(), "g".into()),
            Topic::Node("odes".into()),
            Topic::Nodes,
        ];
        let channels: std::collections::HashSet<_> =
            topics.iter().map(|topic| space.channel(topic)).collect();
        assert_eq!(channels.len(), topics.len());
    }
}
