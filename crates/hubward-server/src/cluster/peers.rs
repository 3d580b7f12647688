//! The other nodes, as far as this one knows them from the events of the node registry: no call of the registry is needed to
//! know whom to ask when it has just come back, and perhaps without its data.

use std::collections::{BTreeMap, BTreeSet};

use hubward_types::NodeId;
use parking_lot::Mutex;

/// How many there are at most: more than any cluster has. Of more that are announced, some are forged.
const MAX_PEERS: usize = 1_000;

/// Bounded by the nodes that live: `lives/others.rs` adds and removes them. Each with whether it is about to leave.
#[derive(Default)]
pub(crate) struct Peers(Mutex<BTreeMap<NodeId, Draining>>);

type Draining = bool;

impl Peers {
    pub(crate) fn joined(&self, node: NodeId) {
        let mut peers = self.0.lock();
        if peers.len() < MAX_PEERS {
            peers.insert(node, false);
        }
    }

    /// Notes that one is about to leave.
    pub(crate) fn draining(&self, node: &NodeId) {
        if let Some(draining) = self.0.lock().get_mut(node) {
            *draining = true;
        }
    }

    /// Removes one; returns whether it was there.
    pub(crate) fn gone(&self, node: &NodeId) -> bool {
        self.0.lock().remove(node).is_some()
    }

    /// Replaces them by those that were listed.
    pub(crate) fn listed(&self, nodes: impl IntoIterator<Item = (NodeId, Draining)>) {
        *self.0.lock() = nodes.into_iter().take(MAX_PEERS).collect();
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.0.lock().contains_key(node)
    }

    /// Whether one is there and stays, as far as is known.
    pub(crate) fn stays(&self, node: &NodeId) -> bool {
        self.0.lock().get(node).is_some_and(|draining| !draining)
    }

    pub(crate) fn all(&self) -> BTreeSet<NodeId> {
        self.0.lock().keys().cloned().collect()
    }
}
