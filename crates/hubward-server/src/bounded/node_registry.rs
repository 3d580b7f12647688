//! A node registry whose calls have a deadline.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{
    BoxFuture, Epoch, LiveNode, NodeEvents, NodeInfo, NodeLoad, NodeRegistry, Owner, RegistryError, Sweep,
};

use super::in_call_time;

pub(crate) struct BoundedRegistry(pub(crate) Arc<dyn NodeRegistry>);

type Call<'a, T> = BoxFuture<'a, Result<T, RegistryError>>;

fn bounded<'a, T: Send + 'a>(call: Call<'a, T>) -> Call<'a, T> {
    Box::pin(async {
        in_call_time(call).await.unwrap_or_else(|slow| Err(RegistryError::Unavailable(Some(Box::new(slow)))))
    })
}

impl NodeRegistry for BoundedRegistry {
    fn announce(&self, node: NodeInfo) -> Call<'_, Epoch> {
        bounded(self.0.announce(node))
    }

    fn heartbeat(&self, owner: &Owner, load: NodeLoad) -> Call<'_, ()> {
        bounded(self.0.heartbeat(owner, load))
    }

    fn withdraw(&self, owner: &Owner) -> Call<'_, ()> {
        bounded(self.0.withdraw(owner))
    }

    fn list(&self) -> Call<'_, Vec<LiveNode>> {
        bounded(self.0.list())
    }

    fn watch(&self) -> NodeEvents {
        self.0.watch()
    }

    fn lease(&self) -> Duration {
        self.0.lease()
    }

    fn sweep(&self, by: &Owner, limit: usize) -> Call<'_, Sweep> {
        bounded(self.0.sweep(by, limit))
    }
}
