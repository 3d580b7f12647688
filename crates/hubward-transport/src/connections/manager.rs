//! What all endpoints of one node share. Nothing of it is global, so that one process can have several nodes.

use std::fmt;
use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_types::NodeId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::registry::Registry;

/// The connections of a node by their ids, with what they have in common: the node's id, the keys of their tokens,
/// the signal that the node is draining, and the tracker of their tasks.
pub struct ConnectionManager {
    node_id: NodeId,
    keys: KeyRing,
    draining: CancellationToken,
    tasks: TaskTracker,
    registry: Registry,
}

impl ConnectionManager {
    /// Makes the manager of a node's connections. When `draining` is cancelled, negotiate requests are refused with 503 and
    /// raw handlers see the end of their input; connections already negotiated go on, since it is their owner that
    /// closes them. Every task that an endpoint starts is one of `tasks`.
    pub fn new(
        node_id: impl Into<NodeId>,
        keys: KeyRing,
        draining: CancellationToken,
        tasks: TaskTracker,
    ) -> Arc<ConnectionManager> {
        Arc::new(Self { node_id: node_id.into(), keys, draining, tasks, registry: Registry::default() })
    }

    /// Returns the id of the node that the connections live on.
    pub fn node_id(&self) -> &NodeId {
        &self.node_id
    }

    /// Returns the keys that seal connection tokens.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Returns the signal that the node is draining: it shuts down gracefully and accepts no new connections.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Returns the tracker of all tasks.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl fmt::Debug for ConnectionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionManager").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}
