//! Who holds a connection: a node in one of its lives. Every change of a store carries it, so that a node that was
//! taken for dead changes nothing before it has announced itself anew.

use hubward_types::NodeId;

/// One life of a node, from its announcement until it leaves or is taken for dead. A later announcement, of whichever
/// node, has a greater epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a node that shares its store with no other and so never announces itself. A store in memory accepts
    /// what such a node records, without a record of its connections; a store that nodes share refuses it.
    pub const ALONE: Self = Self(0);

    /// Makes an epoch of its number. For stores.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A node in one of its lives: who holds a connection, and the fencing token of every change.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Owner {
    /// The node.
    pub node: NodeId,
    /// Its life.
    pub epoch: Epoch,
}

impl Owner {
    /// Makes the owner that a node is which shares its store with no other.
    pub fn alone(node: NodeId) -> Self {
        Self { node, epoch: Epoch::ALONE }
    }
}
