//! Which node holds a connection, for requests that reach this one: what the store says, remembered for a while.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use hubward_transport::{ConnectionOwners, OwnerUnknown};
use hubward_types::{ConnectionId, NodeId, UserId};

use crate::context::NodeContext;
use crate::engine::Engine;
use crate::handover::parking;

/// The owners of a hub's connections.
pub struct HubOwners {
    engine: Arc<Engine>,
}

impl HubOwners {
    /// Makes the owners of a hub; `None` where the node shares no store with others.
    pub fn shared(engine: &Arc<Engine>) -> Option<Arc<dyn ConnectionOwners>> {
        engine.context.registry.as_ref()?;
        Some(Arc::new(Self { engine: engine.clone() }))
    }
}

impl ConnectionOwners for HubOwners {
    fn find(
        &self,
        connection: &ConnectionId,
        anew: bool,
    ) -> BoxFuture<'static, Result<Option<NodeId>, OwnerUnknown>> {
        let (context, hub) = (self.engine.context.clone(), self.engine.name().clone());
        let connection = connection.clone();
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

    /// It comes to its end whether or not the client waits: what was taken is here then.
    fn unpark(
        &self,
        connection: &ConnectionId,
        user: Option<&UserId>,
        token_expires_at: SystemTime,
    ) -> BoxFuture<'static, bool> {
        let (engine, connection, user) = (self.engine.clone(), connection.clone(), user.cloned());
        let context = engine.context.clone();
        let unparking =
            async move { parking::unpark(&engine, &connection, user.as_ref(), token_expires_at).await };
        Box::pin(async move { context.spawn(unparking).await.unwrap_or(false) })
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

    fn unpark(&self, _: &ConnectionId, _: Option<&UserId>, _: SystemTime) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }

    fn are_recorded(&self) -> bool {
        false
    }
}
