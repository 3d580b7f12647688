//! A node registry that a test can fail or hold up, around the in-memory form: each node of a test has its own, over one
//! record.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hubward_backplane::{
    Epoch, InMemoryStore, LiveNode, NodeEvents, NodeInfo, NodeLoad, NodeRegistry, Owner, RegistryError, Sweep,
};
use parking_lot::Mutex;

use super::faults::Fault;

pub(crate) struct FaultyRegistry {
    inner: InMemoryStore,
    /// Held up, it is recorded, and the reply is late.
    pub(crate) announcing: Fault,
    /// Failed, it is not recorded.
    pub(crate) heartbeats: Fault,
    pub(crate) listing: Fault,
    /// Held up, nothing is swept yet.
    pub(crate) sweeping: Fault,
    /// How many connections each step of a sweep removed.
    swept: Mutex<Vec<usize>>,
}

impl FaultyRegistry {
    pub(crate) fn new(inner: InMemoryStore) -> Arc<Self> {
        let [announcing, heartbeats, listing, sweeping] = std::array::from_fn(|_| Fault::default());
        Arc::new(Self { inner, announcing, heartbeats, listing, sweeping, swept: Mutex::default() })
    }

    /// How many connections each step of a sweep removed, where it removed any, since the last time.
    pub(crate) fn take_swept(&self) -> Vec<usize> {
        std::mem::take(&mut *self.swept.lock())
    }
}

impl NodeRegistry for FaultyRegistry {
    fn announce(&self, node: NodeInfo) -> BoxFuture<'_, Result<Epoch, RegistryError>> {
        let announced = self.inner.announce(node);
        Box::pin(async {
            if self.announcing.pass().await {
                return Err(RegistryError::Unavailable(None));
            }
            announced.await
        })
    }

    fn heartbeat(&self, owner: &Owner, load: NodeLoad) -> BoxFuture<'_, Result<(), RegistryError>> {
        let owner = owner.clone();
        Box::pin(async move {
            if self.heartbeats.pass().await {
                return Err(RegistryError::Unavailable(None));
            }
            self.inner.heartbeat(&owner, load).await
        })
    }

    fn withdraw(&self, owner: &Owner) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.inner.withdraw(owner)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<LiveNode>, RegistryError>> {
        Box::pin(async move {
            if self.listing.pass().await {
                return Err(RegistryError::Unavailable(None));
            }
            self.inner.list().await
        })
    }

    fn watch(&self) -> NodeEvents {
        self.inner.watch()
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    fn sweep(&self, by: &Owner, limit: usize) -> BoxFuture<'_, Result<Sweep, RegistryError>> {
        let by = by.clone();
        Box::pin(async move {
            if self.sweeping.pass().await {
                return Err(RegistryError::Unavailable(None));
            }
            let swept = self.inner.sweep(&by, limit).await?;
            if swept.removed > 0 {
                self.swept.lock().push(swept.removed);
            }
            Ok(swept)
        })
    }
}
