//! The store of one process as a record of which nodes live.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use super::records::Records;
use super::store::InMemoryStore;
use crate::node_registry::{
    LiveNode, MAX_SWEPT_AT_ONCE, NodeEvents, NodeInfo, NodeLoad, NodeRegistry, RegistryError, Sweep,
};
use crate::owner::{Epoch, Owner};

impl NodeRegistry for InMemoryStore {
    fn announce(&self, node: NodeInfo) -> BoxFuture<'_, Result<Epoch, RegistryError>> {
        ready(self.records.nodes.announce(node)).boxed()
    }

    fn heartbeat(&self, owner: &Owner, load: NodeLoad) -> BoxFuture<'_, Result<(), RegistryError>> {
        ready(self.records.nodes.heartbeat(owner, load)).boxed()
    }

    fn withdraw(&self, owner: &Owner) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.records.nodes.withdraw(owner);
        ready(Ok(())).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LiveNode>, RegistryError>> {
        ready(Ok(self.records.nodes.list())).boxed()
    }

    fn watch(&self) -> NodeEvents {
        self.records.nodes.watch()
    }

    fn lease(&self) -> Duration {
        self.records.nodes.lease
    }

    fn sweep(&self, by: &Owner, limit: usize) -> BoxFuture<'_, Result<Sweep, RegistryError>> {
        let Records { indexes, nodes, .. } = &*self.records;
        nodes.notice_deaths_now();
        if !nodes.lives(by) {
            return ready(Err(RegistryError::Fenced)).boxed();
        }
        let limit = limit.clamp(1, MAX_SWEPT_AT_ONCE);
        let mut removed = 0;
        while removed < limit {
            let Some(ended) = nodes.lease_ended(by) else {
                return ready(Ok(Sweep { removed, finished: true })).boxed();
            };
            let keys = indexes.some_owned(&ended, limit - removed);
            if keys.is_empty() {
                nodes.forget_ended(&ended);
            }
            removed += keys.len();
            for key in keys {
                indexes.end_connection(&key, &ended);
            }
        }
        ready(Ok(Sweep { removed, finished: false })).boxed()
    }
}
