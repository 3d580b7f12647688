//! The sessions that other nodes are about to hand over to this one, so that there is one place for each at most.

use std::collections::HashSet;
use std::sync::Arc;

use hubward_types::{ConnectionId, HubName};
use parking_lot::Mutex;

type Key = (HubName, ConnectionId);

/// Bounded by the room for them.
#[derive(Clone, Default)]
pub(super) struct AllComing(Arc<Mutex<HashSet<Key>>>);

/// One of them, until it is dropped.
pub(super) struct Coming {
    all: AllComing,
    key: Key,
}

impl AllComing {
    /// Notes a session; `None` where it is noted already.
    pub(super) fn begin(&self, hub: &HubName, connection: &ConnectionId) -> Option<Coming> {
        let key = (hub.clone(), connection.clone());
        self.0.lock().insert(key.clone()).then(|| Coming { all: self.clone(), key })
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.key);
    }
}
