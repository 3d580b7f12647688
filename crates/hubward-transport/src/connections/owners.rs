//! Who holds which connection in the whole cluster. The engine finds it in the store that the nodes share.

use std::time::SystemTime;

use futures_util::future::BoxFuture;
use hubward_types::{ConnectionId, NodeId, UserId};

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

    /// Takes a connection here whose session was kept because no other node could take it over, for a client whose user this
    /// is. Returns whether it is here now, and can be resumed. Has a deadline of its own.
    fn unpark(
        &self,
        connection: &ConnectionId,
        user: Option<&UserId>,
        token_expires_at: SystemTime,
    ) -> BoxFuture<'static, bool>;

    /// Returns whether connections are recorded. Where they are not, every request of one goes to the node that negotiated it.
    fn are_recorded(&self) -> bool;
}

/// The store that knows who holds a connection cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerUnknown;
