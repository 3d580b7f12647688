//! What other nodes call on a node, beside what they pass on of clients. The engine serves it.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use hubward_types::NodeId;

/// The largest call, and the largest reply.
pub(super) const CALL_BYTES: usize = 16 << 20;

/// Serves the calls of other nodes, which are authentic. What comes with them is bounded, and to be checked all the same.
pub trait PeerCalls: Send + Sync + 'static {
    /// Serves a call of the node `from`: the path that it names, and up to 16 MiB. The future is dropped where that node
    /// waits no more.
    ///
    /// # Errors
    /// The status that the caller gets: 404 for a path that there is none of.
    fn call(&self, from: NodeId, path: &str, body: Bytes) -> BoxFuture<'static, Result<Bytes, StatusCode>>;
}
