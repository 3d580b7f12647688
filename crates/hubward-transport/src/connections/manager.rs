//! What all endpoints of one node share. Nothing of it is global, so that one process can have several nodes.

use std::fmt;
use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_types::NodeId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::close_window::{CloseTurn, CloseWindow};
use super::registry::Registry;
use crate::refusal::Refusal;

/// What the connections of a node are notified of while it drains.
#[derive(Clone, Debug)]
pub struct DrainSignals {
    /// Cancelled when no more connections begin.
    pub refusing: CancellationToken,
    /// When those that there are close by themselves, each in its turn.
    pub window: CloseWindow,
    /// Cancelled when all of these close.
    pub closing: CancellationToken,
}

/// Connections are refused when the others close, at the latest.
impl From<CancellationToken> for DrainSignals {
    fn from(closing: CancellationToken) -> Self {
        Self { refusing: closing.child_token(), window: CloseWindow::default(), closing }
    }
}

/// The connections of a node by their ids, with what they have in common: the node's id, the keys of their tokens,
/// the signals of a drain, and the tracker of their tasks.
pub struct ConnectionManager {
    node_id: NodeId,
    keys: KeyRing,
    signals: DrainSignals,
    tasks: TaskTracker,
    registry: Registry,
}

impl ConnectionManager {
    /// Makes the manager of a node's connections. When they are to be refused, negotiate requests and whatever would begin a
    /// connection get 503; those that have begun go on, since it is their owner that closes them. Raw handlers see the
    /// end of their input in their turn, or when all are to close. Every task that an endpoint starts is one of `tasks`.
    pub fn new(
        node_id: impl Into<NodeId>,
        keys: KeyRing,
        signals: impl Into<DrainSignals>,
        tasks: TaskTracker,
    ) -> Arc<ConnectionManager> {
        let (node_id, signals) = (node_id.into(), signals.into());
        Arc::new(Self { node_id, keys, signals, tasks, registry: Registry::default() })
    }

    /// Returns the id of the node that the connections live on.
    pub fn node_id(&self) -> &NodeId {
        &self.node_id
    }

    /// Returns the keys that seal connection tokens.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Returns the signal that the node begins no more connections.
    pub fn refusing(&self) -> &CancellationToken {
        &self.signals.refusing
    }

    /// Returns the signal that its connections close.
    pub fn closing(&self) -> &CancellationToken {
        &self.signals.closing
    }

    /// Gives a connection that closes by itself its turn.
    pub(crate) fn close_turn(&self) -> CloseTurn {
        self.signals.window.turn()
    }

    /// Whether a connection may still begin.
    pub(crate) fn check_begins(&self) -> Result<(), Refusal> {
        if self.signals.refusing.is_cancelled() { Err(Refusal::Draining) } else { Ok(()) }
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
