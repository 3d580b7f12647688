//! The two hub protocols, and sets of them. Their versions belong to the handshake.

/// A hub protocol: the form in which messages travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// JSON records, each ended by the byte 0x1E.
    Json,
    /// MessagePack arrays, each after its length.
    MessagePack,
}

impl Protocol {
    /// Both, in the order of [`index`](Self::index).
    pub const ALL: [Protocol; 2] = [Protocol::Json, Protocol::MessagePack];

    /// Returns the name that the handshake uses.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Json => "json",
            Protocol::MessagePack => "messagepack",
        }
    }

    /// Finds a protocol by its name, ignoring case as ASP.NET Core does.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Returns whether the transport must carry arbitrary bytes.
    pub fn is_binary(self) -> bool {
        matches!(self, Protocol::MessagePack)
    }

    /// Returns the position in [`ALL`](Self::ALL), for tables by protocol.
    pub fn index(self) -> usize {
        match self {
            Protocol::Json => 0,
            Protocol::MessagePack => 1,
        }
    }
}

/// A set of protocols: those that a hub supports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Protocols(u8);

impl Protocols {
    /// Both protocols.
    pub const ALL: Self = Self(0b11);

    /// Returns the set of one protocol.
    pub fn only(protocol: Protocol) -> Self {
        Self(1 << protocol.index())
    }

    /// Returns whether `protocol` is in the set.
    pub fn contains(self, protocol: Protocol) -> bool {
        self.0 & (1 << protocol.index()) != 0
    }

    /// Iterates over the protocols in the set.
    pub fn iter(self) -> impl Iterator<Item = Protocol> {
        Protocol::ALL.into_iter().filter(move |protocol| self.contains(*protocol))
    }
}

impl Default for Protocols {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Protocol> for Protocols {
    fn from_iter<I: IntoIterator<Item = Protocol>>(protocols: I) -> Self {
        Self(protocols.into_iter().fold(0, |set, protocol| set | (1 << protocol.index())))
    }
}
