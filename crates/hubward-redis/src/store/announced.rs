//! On which server each node was announced. One that has restarted, or has taken over from another, may have an older
//! state of everything: joins that are missing, and connections that have ended. What is recorded of a node there counts as
//! that of a life that has ended, so that the node records all that it holds anew, and the rest is swept.

use std::collections::HashMap;
use std::sync::Arc;

use hubward_backplane::Owner;
use parking_lot::Mutex;

/// The nodes that were announced by one store: one, unless it is a test's. Those that have ended are forgotten.
#[derive(Default)]
pub(super) struct Announced {
    servers: Mutex<HashMap<Owner, Arc<str>>>,
}

impl Announced {
    /// Notes where a node was announced.
    pub(super) fn note(&self, owner: Owner, server: Arc<str>) {
        self.servers.lock().insert(owner, server);
    }

    /// Returns whether a node was announced on another server than this one.
    pub(super) fn is_elsewhere(&self, owner: &Owner, server: &str) -> bool {
        self.servers.lock().get(owner).is_some_and(|announced| **announced != *server)
    }

    pub(super) fn forget(&self, owner: &Owner) {
        self.servers.lock().remove(owner);
    }
}
