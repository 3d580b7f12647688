//! Who holds which connection in the whole cluster. The engine finds it in the store that the nodes share.

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, NodeId};

/// What all nodes know together of who holds which connection of a path.
pub trait ConnectionOwners: Send + Sync + 'static {
    /// Finds the node that holds a connection, by its public name; `None` where none that lives does. Has a deadline of its
    /// own. `anew`: not from what is remembered, since that was wrong.
    ///
    /// # Errors
    /// [`OwnerUnknown`] where nobody can say at present.
    fn find(
        &self,
        connection: &ConnectionId,
        anew: bool,
    ) -> BoxFuture<'static, Result<Option<NodeId>, OwnerUnknown>>;

    /// Returns whether connections are recorded. Where they are not, every request of one goes to the node that negotiated it.
    fn are_recorded(&self) -> bool;
}

/// The store that knows who holds a connection cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerUnknown;
