//! Disconnects a user on every node. The store names the nodes that hold connections of the user; each closes its own and
//! confirms it when they have ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::{Body, RequestFailure, Topic};
use hubward_hub::UserError;
use hubward_types::{NodeId, TraceContext, UserId, brief_causes};
use tokio::time::timeout;

use super::requests::{RequestError, UNCONFIRMED, request};
use crate::connection::close_reason::CloseReason;
use crate::connection::handle::ConnectionHandle;
use crate::connection::wake_batch::WakeBatch;
use crate::engine::Engine;

/// Ends all connections of a user; returns when they have ended. A node that has left or died is skipped. Where it is
/// not known which nodes there are, all are notified, and none is waited for.
pub(crate) async fn disconnect(
    engine: Arc<Engine>,
    user: UserId,
    trace: Option<TraceContext>,
) -> Result<(), UserError> {
    let context = engine.context.clone();
    let disconnected = context.to_its_end(async move {
        let here = disconnect_here(&engine, &user);
        let (here, elsewhere) = tokio::join!(here, disconnect_elsewhere(&engine, &user, trace.as_ref()));
        here.and(elsewhere)
    });
    disconnected
        .await
        .unwrap_or_else(|error| Err(UserError::Owner { reason: brief_causes(&error).to_string() }))
}

/// Ends the connections of a user of this node: they are closed when this is called, and have ended when it is ready. A
/// part of the time is for `on_disconnected`, which may run on.
pub(crate) fn disconnect_here(
    engine: &Engine,
    user: &UserId,
) -> impl Future<Output = Result<(), UserError>> + Send + use<> {
    // Before the connections are looked for: one that opens meanwhile is either found, or sees this.
    engine.users.enter(user).disconnect();
    let mut closing = Vec::new();
    {
        let _batch = WakeBatch::open();
        engine.index.for_user(user, |connection| {
            // One that has closed before may be the caller's own, in its `on_disconnected`.
            if !connection.is_closed() {
                connection.close(CloseReason::UserDisconnected);
                closing.push(connection.clone());
            }
        });
    }
    let limit = engine.definition.options.confirmation_timeout;
    async move { until_ended(&closing, limit).await }
}

/// Ends the connections of a user for another node, with those that have moved from here: whoever asked the store before does
/// not know. Only a node that drains has given any away, and it takes none, so that nodes cannot pass this on in a circle.
pub(crate) fn disconnect_for(
    engine: &Arc<Engine>,
    sender: &NodeId,
    id: u64,
    user: UserId,
) -> impl Future<Output = Result<(), UserError>> + Send + use<> {
    let here = disconnect_here(engine, &user);
    let (engine, sender) = (engine.clone(), sender.clone());
    async move {
        let here = here.await;
        // Those that were moving have moved now. What nobody waits for, all nodes of the user have heard.
        let mut nodes = engine.moved.nodes_of_user(&user);
        nodes.retain(|node| *node != sender && *node != engine.context.id && id != UNCONFIRMED);
        here.and(disconnect_at(&engine, nodes.iter(), &user, None).await)
    }
}

async fn until_ended(closing: &[Arc<ConnectionHandle>], limit: Duration) -> Result<(), UserError> {
    let ended = join_all(closing.iter().map(async |connection| connection.ended().cancelled_owned().await));
    if timeout(limit / 2, ended).await.is_ok() {
        return Ok(());
    }
    let closed = closing.iter().map(async |connection| {
        use hubward_hub::HubConnection;
        connection.connection_closed().cancelled_owned().await;
    });
    timeout(limit / 2, join_all(closed)).await.map(|_| ()).map_err(|_| UserError::NoConfirmation)
}

/// Has other nodes end the connections of a user.
async fn disconnect_at(
    engine: &Engine,
    nodes: impl Iterator<Item = &NodeId>,
    user: &UserId,
    trace: Option<&TraceContext>,
) -> Result<(), UserError> {
    let (context, hub) = (&engine.context, engine.name());
    let limit = engine.definition.options.confirmation_timeout;
    let requests = nodes.map(async |node| {
        let body = |id| Body::DisconnectUser { id, hub: hub.clone(), user: user.clone() };
        request(context, node, limit, trace, body).await.map_err(not_confirmed)
    });
    join_all(requests).await.into_iter().fold(Ok(()), Result::and)
}

async fn disconnect_elsewhere(
    engine: &Engine,
    user: &UserId,
    trace: Option<&TraceContext>,
) -> Result<(), UserError> {
    let (context, hub) = (&engine.context, engine.name());
    let Some(backplane) = context.other_nodes() else { return Ok(()) };
    match context.store.nodes_of_user(hub, user).await {
        Ok(nodes) => {
            let others = nodes.iter().filter(|node| **node != context.id);
            disconnect_at(engine, others, user, trace).await
        }
        Err(error) => {
            let topic = Topic::User(hub.clone(), user.clone());
            let body = Body::DisconnectUser { id: UNCONFIRMED, hub: hub.clone(), user: user.clone() };
            drop(context.publish(backplane, vec![topic], trace, body));
            Err(UserError::NodesUnknown { reason: brief_causes(&error).to_string() })
        }
    }
}

fn not_confirmed(error: RequestError) -> UserError {
    match error {
        RequestError::Backplane(error) => UserError::Backplane { reason: brief_causes(&error).to_string() },
        RequestError::Failed(RequestFailure::Error(reason)) => UserError::Owner { reason },
        RequestError::Failed(_) => UserError::Owner { reason: "it refused".to_owned() },
        RequestError::NoConfirmation => UserError::NoConfirmation,
    }
}

#[cfg(test)]
mod tests;
