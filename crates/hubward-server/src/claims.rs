//! Asks the store of the cluster whether a connection token was used before, when a connection is to open. For a hub the
//! same call records the connection and reads what connecting needs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hubward_backplane::{OpenConnection, StoreError};
use hubward_transport::{Claim, Claimed, ConnectionClaims, OpeningConnection};
use hubward_types::{ConnectionId, HubName};
use tokio::sync::oneshot;

use crate::context::NodeContext;
use crate::engine::Engine;
use crate::invocation::panics;
use crate::membership::opening::Opening;
use crate::membership::outage::{Failed, in_time};
use crate::membership::record;

/// The first pause before the record of a raw connection is removed again, each further one twice as long, and how often
/// that is tried. What is left then is swept when the node's life ends; nobody reads it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const ATTEMPTS: u32 = 6;

/// Claims the connections of a hub.
pub struct HubClaims {
    engine: Arc<Engine>,
}

impl HubClaims {
    /// Makes the claims of a hub; `None` where the node shares no store with others, so that it knows by itself which tokens
    /// were used.
    pub fn shared(engine: &Arc<Engine>) -> Option<Arc<dyn ConnectionClaims>> {
        engine.context.registry.as_ref()?;
        Some(Arc::new(Self { engine: engine.clone() }))
    }
}

impl ConnectionClaims for HubClaims {
    /// Where the store cannot be reached, the connection is accepted as far as this is concerned: what becomes of it then
    /// is decided once its handshake is done.
    fn claim(&self, opening: OpeningConnection) -> BoxFuture<'static, Result<Option<Claim>, Claimed>> {
        let engine = self.engine.clone();
        let OpeningConnection { id, user, token_expires_at } = opening;
        Box::pin(async move {
            let opening = Opening::begin(&engine, id, user, Some(token_expires_at));
            match AssertUnwindSafe(opening).catch_unwind().await {
                Ok(Ok(opening)) => Ok(Some(Box::new(opening) as Claim)),
                Ok(Err(by)) => {
                    tracing::debug!(hub = %engine.name(), %by, "A connection token was used before.");
                    Err(Claimed { by })
                }
                // It is recorded after its handshake.
                Err(panic) => {
                    let panic = panics::panicked(panic);
                    let panic = panics::message(&panic);
                    tracing::error!(hub = %engine.name(), panic, "Claiming a connection panicked.");
                    Ok(None)
                }
            }
        })
    }
}

/// Claims the connections of a raw handler. They have no record: nobody finds them by their ids.
pub struct RawClaims {
    context: Arc<NodeContext>,
    hub: HubName,
}

impl RawClaims {
    /// Makes the claims of the raw handler of this name; `None` where the node shares no store with others.
    pub fn shared(context: &Arc<NodeContext>, hub: HubName) -> Option<Arc<dyn ConnectionClaims>> {
        context.registry.as_ref()?;
        Some(Arc::new(Self { context: context.clone(), hub }))
    }
}

impl ConnectionClaims for RawClaims {
    /// Where the store cannot be reached, the connection is accepted.
    fn claim(&self, opening: OpeningConnection) -> BoxFuture<'static, Result<Option<Claim>, Claimed>> {
        let (answer, answered) = oneshot::channel();
        let claiming = claim_raw(self.context.clone(), self.hub.clone(), opening, answer);
        // In a task, which removes the record also where the client goes meanwhile.
        self.context.tasks.spawn(claiming);
        // It has no answer where it panicked.
        Box::pin(async { answered.await.unwrap_or(Ok(())).map(|()| None) })
    }
}

/// Claims the id of a raw connection, and removes the record that comes with it.
async fn claim_raw(
    context: Arc<NodeContext>,
    hub: HubName,
    OpeningConnection { id, token_expires_at, .. }: OpeningConnection,
    answer: oneshot::Sender<Result<(), Claimed>>,
) {
    let opening = OpenConnection {
        hub: hub.clone(),
        connection: id.clone(),
        user: None,
        owner: context.owner(),
        claim: record::claim(Some(token_expires_at)),
    };
    let claimed = match in_time(context.store.open_connection(opening)).await {
        Err(Failed::Refused(StoreError::Claimed { by })) => {
            tracing::debug!(%hub, %by, "A connection token was used before.");
            Err(Claimed { by })
        }
        Err(error) => {
            tracing::debug!(%hub, %error, "A connection could not be claimed.");
            Ok(())
        }
        Ok(_) => Ok(()),
    };
    let is_claimed = claimed.is_ok();
    // Nobody may wait any more.
    let _ = answer.send(claimed);
    if is_claimed {
        let shutdown = context.shutdown.clone();
        tokio::select! {
            () = remove_record(&context, &hub, &id) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

async fn remove_record(context: &NodeContext, hub: &HubName, id: &ConnectionId) {
    for attempt in 0..ATTEMPTS {
        match context.store.end_connection(hub, id, &context.owner()).await {
            Ok(()) | Err(StoreError::Fenced) => return,
            Err(_) => tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt)).await,
        }
    }
}

#[cfg(test)]
mod tests;
