//! Invocations of this node's clients that other nodes wait for, so that a node that stops waiting can cancel them.
//! Bounded by what is forwarded at the same time: each entry is removed when its client has returned or disconnected.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use hubward_types::NodeId;
use parking_lot::Mutex;

use crate::connection::handle::ConnectionHandle;

/// The node that waits, and its number for the invocation.
pub(crate) type ForwardedId = (NodeId, u64);

/// Forwarded invocations by the node that waits.
#[derive(Default)]
pub(crate) struct ForwardedInvocations(Mutex<HashMap<ForwardedId, Forwarded>>);

struct Forwarded {
    connection: Weak<ConnectionHandle>,
    invocation_id: String,
}

impl ForwardedInvocations {
    /// Registers an invocation of `connection`, which is absent where this node no longer has it.
    pub(crate) fn register(
        &self,
        id: ForwardedId,
        invocation_id: String,
        connection: Option<&Arc<ConnectionHandle>>,
    ) {
        let connection = connection.map(Arc::downgrade).unwrap_or_default();
        self.0.lock().insert(id, Forwarded { connection, invocation_id });
    }

    /// Removes an invocation that has ended.
    pub(crate) fn remove(&self, id: &ForwardedId) {
        self.0.lock().remove(id);
    }

    /// The nodes that wait.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.0.lock().keys().map(|(node, _)| node.clone()).collect()
    }

    /// How many other nodes wait for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Stops waiting for the client's result.
    pub(crate) fn cancel(&self, id: &ForwardedId) {
        let forwarded = self.0.lock().remove(id);
        forwarded.into_iter().for_each(Forwarded::forget);
    }

    /// Stops waiting for the results that some nodes wait for: they do not any more, or will not learn of them.
    pub(crate) fn cancel_all_of(&self, node: impl Fn(&NodeId) -> bool) {
        let forwarded: Vec<_> = self.0.lock().extract_if(|(waiting, _), _| node(waiting)).collect();
        forwarded.into_iter().for_each(|(_, forwarded)| forwarded.forget());
    }
}

impl Forwarded {
    fn forget(self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.forget_result(&self.invocation_id);
        }
    }
}
