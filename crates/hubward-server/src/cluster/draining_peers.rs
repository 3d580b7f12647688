//! Which of the other nodes are about to leave: they are sent no new connections and no sessions.

use std::collections::BTreeSet;

use hubward_types::NodeId;
use parking_lot::Mutex;

/// How many there are at most: more than any cluster has. Of more that are announced, some are forged.
const MAX_DRAINING: usize = 1_000;

/// Bounded by the nodes that live: `lives/others.rs` adds and removes them.
#[derive(Default)]
pub(crate) struct DrainingPeers(Mutex<BTreeSet<NodeId>>);

impl DrainingPeers {
    pub(crate) fn note(&self, node: NodeId) {
        let mut draining = self.0.lock();
        if draining.len() < MAX_DRAINING {
            draining.insert(node);
        }
    }

    /// Removes one that has left, or has begun another life.
    pub(crate) fn forget(&self, node: &NodeId) {
        self.0.lock().remove(node);
    }

    /// Replaces them by those that were listed.
    pub(crate) fn listed(&self, nodes: impl IntoIterator<Item = NodeId>) {
        *self.0.lock() = nodes.into_iter().take(MAX_DRAINING).collect();
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.0.lock().contains(node)
    }
}
