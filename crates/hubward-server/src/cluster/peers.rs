//! The other nodes, as far as this one knows them from the events of the node registry: no call of the registry is needed to
//! know whom to ask when it has just come back, and perhaps without its data.

use std::collections::BTreeSet;

use hubward_types::NodeId;
use parking_lot::Mutex;

/// How many there are at most: more than any cluster has. Of more that are announced, some are forged.
const MAX_PEERS: usize = 1_000;

/// Bounded by the nodes that live: `lives/others.rs` adds and removes them.
#[derive(Default)]
pub(crate) struct Peers(Mutex<BTreeSet<NodeId>>);

impl Peers {
    pub(crate) fn joined(&self, node: NodeId) {
        let mut peers = self.0.lock();
        if peers.len() < MAX_PEERS {
            peers.insert(node);
        }
    }

    /// Removes one; returns whether it was there.
    pub(crate) fn gone(&self, node: &NodeId) -> bool {
        self.0.lock().remove(node)
    }

    /// Replaces them by those that were listed.
    pub(crate) fn listed(&self, nodes: impl IntoIterator<Item = NodeId>) {
        *self.0.lock() = nodes.into_iter().take(MAX_PEERS).collect();
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.0.lock().contains(node)
    }

    pub(crate) fn all(&self) -> BTreeSet<NodeId> {
        self.0.lock().clone()
    }
}
