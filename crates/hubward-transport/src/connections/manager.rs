//! What all endpoints of one node share. There are no globals: what is not reachable from here does not exist.

use std::fmt;
use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_types::NodeId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::registry::Registry;

/// A node's name, its keys, its connections by id, and the way it ends.
pub struct ConnectionManager {
    id: NodeId,
    keys: KeyRing,
    draining: CancellationToken,
    tasks: TaskTracker,
    registry: Registry,
}

impl ConnectionManager {
    /// Makes a node. When `draining` is cancelled, negotiates are answered 503 and raw handlers see the end of
    /// their input; connections already negotiated go on, since closing them is their owner's to do. Every task
    /// that an endpoint starts is one of `tasks`.
    pub fn new(
        id: impl Into<NodeId>,
        keys: KeyRing,
        draining: CancellationToken,
        tasks: TaskTracker,
    ) -> Arc<ConnectionManager> {
        Arc::new(Self { id: id.into(), keys, draining, tasks, registry: Registry::default() })
    }

    /// Returns the node's name.
    pub fn node_id(&self) -> &NodeId {
        &self.id
    }

    /// Returns what seals connection tokens.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Returns the signal that the node is leaving.
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
        f.debug_struct("ConnectionManager").field("id", &self.id).finish_non_exhaustive()
    }
}
