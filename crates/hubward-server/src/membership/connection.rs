//! A connection's own membership: changed by its owner node, on request of any node. It ends with the connection.

use std::sync::Arc;

use hubward_backplane::{Body, RequestFailure};
use hubward_hub::GroupError;
use hubward_types::{ConnectionId, GroupName, TraceContext};

use super::rules::{check_name, check_rule};
use super::{backplane_failed, changes, store_failed};
use crate::cluster::requests::{RequestError, request};
use crate::connection::groups::GroupChange;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Which way a membership changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Join,
    Leave,
}

/// Changes the membership of a connection of any node. A connection that no node has is skipped, as in SignalR.
pub(crate) async fn change(
    engine: Arc<Engine>,
    connection: ConnectionId,
    group: GroupName,
    change: Change,
    trace: Option<TraceContext>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    let (context, hub) = (&engine.context, engine.name());
    if let Some(local) = engine.index.connection(&connection) {
        let changed = change_local(&engine, &local, group.clone(), change).await;
        if !local.is_elsewhere() {
            return changed;
        }
        // Another node has it since, and has not heard of the change.
        context.owners.forget(hub, &connection);
    }
    if context.other_nodes().is_none() {
        return Ok(());
    }
    let found = context.owners.find(&context.store, hub, &connection).await.map_err(store_failed)?;
    let Some(node) = found.filter(|node| *node != context.id) else { return Ok(()) };
    let timeout = engine.definition.options.confirmation_timeout;
    let requested = request(context, &node, timeout, trace.as_ref(), |id| {
        let (hub, connection, group) = (hub.clone(), connection.clone(), group.clone());
        match change {
            Change::Join => Body::JoinGroup { id, hub, connection, group },
            Change::Leave => Body::LeaveGroup { id, hub, connection, group },
        }
    });
    requested.await.map_err(|error| not_confirmed(error, &group))
}

pub(crate) fn not_confirmed(error: RequestError, group: &GroupName) -> GroupError {
    match error {
        RequestError::Backplane(error) => backplane_failed(error),
        RequestError::Failed(failure) => match failure {
            RequestFailure::NotAllowed => GroupError::NotAllowed { group: group.to_string() },
            RequestFailure::Banned => GroupError::Banned { group: group.to_string() },
            RequestFailure::Error(reason) => GroupError::Owner { reason },
        },
        RequestError::NoConfirmation => GroupError::NoConfirmation,
    }
}

/// Changes the membership of a connection for another node; one that is not of this node is skipped.
pub(crate) fn change_here(
    engine: &Arc<Engine>,
    connection: &ConnectionId,
    group: GroupName,
    change: Change,
) -> impl Future<Output = Result<(), GroupError>> + Send + use<> {
    let (engine, connection) = (engine.clone(), engine.index.connection(connection));
    async move {
        let Some(connection) = connection else { return Ok(()) };
        let changed = change_local(&engine, &connection, group.clone(), change).await;
        if !connection.is_elsewhere() {
            return changed;
        }
        engine.context.owners.forget(engine.name(), &connection.id);
        Box::pin(self::change(engine, connection.id.clone(), group, change, None)).await
    }
}

/// Changes the membership of a connection of this node.
pub(crate) async fn change_local(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    group: GroupName,
    change: Change,
) -> Result<(), GroupError> {
    match change {
        Change::Join => {
            check_name(engine, &group)?;
            check_rule(engine, connection, &group)?;
            changes::change(engine, connection, GroupChange::Join(group)).await
        }
        Change::Leave => changes::change(engine, connection, GroupChange::Leave(group)).await,
    }
}

#[cfg(test)]
mod tests;
