//! What every connection to another node needs to know of this one.

use hubward_auth::KeyRing;
use hubward_types::NodeId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::PeerTls;

pub(super) struct PeerContext {
    pub(super) node_id: NodeId,
    pub(super) keys: KeyRing,
    pub(super) tls: Option<PeerTls>,
    /// The connections' tasks. They are not the node's other tasks: those may need them until they end.
    pub(super) tasks: TaskTracker,
    /// Cancelled when this node ends, or is dropped.
    pub(super) stop: CancellationToken,
}

impl Drop for PeerContext {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
