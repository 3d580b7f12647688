//! Which node holds a connection, for requests that reach this one: what the store says, remembered for a while.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hubward_transport::{ConnectionOwners, OwnerUnknown};
use hubward_types::{ConnectionId, HubName, NodeId};

use crate::context::NodeContext;

/// The owners of a hub's connections.
pub struct HubOwners {
    context: Arc<NodeContext>,
    hub: HubName,
}

impl HubOwners {
    /// Makes the owners of a hub; `None` where the node shares no store with others.
    pub fn shared(context: &Arc<NodeContext>, hub: HubName) -> Option<Arc<dyn ConnectionOwners>> {
        context.registry.as_ref()?;
        Some(Arc::new(Self { context: context.clone(), hub }))
    }
}

impl ConnectionOwners for HubOwners {
    fn find(
        &self,
        connection: &ConnectionId,
        anew: bool,
    ) -> BoxFuture<'static, Result<Option<NodeId>, OwnerUnknown>> {
        let (context, hub, connection) = (self.context.clone(), self.hub.clone(), connection.clone());
        Box::pin(async move {
            if anew {
                context.owners.forget(&hub, &connection);
            }
            let found = context.owners.find(&context.store, &hub, &connection).await;
            found.map_err(|error| {
                tracing::debug!(%hub, %error, "The node of a connection could not be found out.");
                OwnerUnknown
            })
        })
    }

    fn are_recorded(&self) -> bool {
        true
    }
}

/// The owners of a raw handler's connections, which have no record: each is on the node that negotiated it.
pub struct RawOwners;

impl RawOwners {
    /// Makes the owners of a raw handler; `None` where the node shares nothing with others.
    pub fn shared(context: &Arc<NodeContext>) -> Option<Arc<dyn ConnectionOwners>> {
        context.registry.as_ref()?;
        Some(Arc::new(Self))
    }
}

impl ConnectionOwners for RawOwners {
    fn find(&self, _: &ConnectionId, _: bool) -> BoxFuture<'static, Result<Option<NodeId>, OwnerUnknown>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn are_recorded(&self) -> bool {
        false
    }
}
