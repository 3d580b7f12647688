//! Where other nodes are reached. The engine knows it from the node registry.

use futures_util::future::BoxFuture;
use hubward_types::NodeId;
use tokio_util::sync::CancellationToken;

/// Which nodes there are.
pub trait PeerDirectory: Send + Sync + 'static {
    /// Finds a node; `None` where it does not live. A node that has only just come may have to be waited for, which has a
    /// deadline.
    fn find(&self, node: &NodeId) -> BoxFuture<'static, Option<LivePeer>>;
}

/// A node that lives.
#[derive(Clone, Debug)]
pub struct LivePeer {
    /// Where its internal listener is, such as `10.0.0.7:9000`; `None` where it has none.
    pub address: Option<String>,
    /// Whether it is not about to leave, as far as is known: only to such a node goes what has yet to begin.
    pub stays: bool,
    /// Cancelled when the node has left or died.
    pub gone: CancellationToken,
}
