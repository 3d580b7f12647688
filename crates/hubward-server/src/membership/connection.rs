//! A connection's own membership: changed by its owner node, on request of any node. It ends with the connection.

use std::sync::Arc;

use hubward_backplane::{Body, Topic};
use hubward_hub::GroupError;
use hubward_types::{ConnectionId, GroupName};

use super::{backplane_failed, store_failed};
use crate::connection::handle::{ConnectionHandle, GroupNote};
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
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    if let Some(connection) = engine.index.connection(&connection) {
        return change_local(&engine, &connection, &group, change).await;
    }
    let context = &engine.context;
    let Some(backplane) = context.other_nodes() else { return Ok(()) };
    let mut confirmation = context.pending.confirmations.expect();
    let (id, reply_to) = (confirmation.id, context.id.clone());
    let body = match change {
        Change::Join => Body::JoinGroup { id, reply_to, group },
        Change::Leave => Body::LeaveGroup { id, reply_to, group },
    };
    let topic = Topic::Connection(engine.name().clone(), connection);
    let reached = backplane.publish(&topic, context.envelope(body)).await.map_err(backplane_failed)?;
    if reached == Some(0) {
        return Ok(());
    }
    let limit = engine.definition.options.confirmation_timeout;
    match tokio::time::timeout(limit, confirmation.wait()).await {
        Ok(Some(None)) => Ok(()),
        Ok(Some(Some(reason))) => Err(GroupError::Owner { reason }),
        Ok(None) | Err(_) => Err(GroupError::NoConfirmation),
    }
}

/// Changes the membership of a connection of this node.
pub(crate) async fn change_local(
    engine: &Engine,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
    change: Change,
) -> Result<(), GroupError> {
    match change {
        Change::Join => join(engine, connection, group).await,
        Change::Leave => {
            stop_delivering(engine, connection, group);
            remove_record(engine, connection, group).await
        }
    }
}

async fn join(
    engine: &Engine,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
) -> Result<(), GroupError> {
    check_name(engine, group)?;
    check_rule(engine, connection, group)?;
    let (store, node) = (&engine.context.store, &engine.context.id);
    store.add_connection(engine.name(), group, &connection.id, node).await.map_err(store_failed)?;
    let delivering = start_delivering(engine, connection, group).await;
    if connection.is_closed() || delivering.is_err() {
        // The connection closed meanwhile, or the subscription failed: undo what was recorded.
        stop_delivering(engine, connection, group);
        remove_record(engine, connection, group).await?;
    }
    delivering
}

async fn remove_record(
    engine: &Engine,
    connection: &ConnectionHandle,
    group: &GroupName,
) -> Result<(), GroupError> {
    let store = &engine.context.store;
    store.remove_connection(engine.name(), group, &connection.id).await.map_err(store_failed)
}

pub(crate) fn check_name(engine: &Engine, group: &GroupName) -> Result<(), GroupError> {
    let (length, limit) = (group.as_str().len(), engine.definition.options.group_name_bytes);
    if length > limit { Err(GroupError::NameTooLong { length, limit }) } else { Ok(()) }
}

/// Checks the hub's own rule, if it has one.
pub(crate) fn check_rule(
    engine: &Engine,
    connection: &ConnectionHandle,
    group: &GroupName,
) -> Result<(), GroupError> {
    match &engine.definition.may_join {
        Some(rule) if !rule(&connection.principal, group) => {
            Err(GroupError::NotAllowed { group: group.to_string() })
        }
        _ => Ok(()),
    }
}

/// Delivers the group's messages to the connection from now on. The group is noted on the connection before the
/// subscription is awaited, and the note is checked afterwards, because a leave or a close meanwhile removes it.
pub(crate) async fn start_delivering(
    engine: &Engine,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
) -> Result<(), GroupError> {
    let limit = engine.definition.options.groups_per_connection;
    match connection.note_group(group, limit) {
        GroupNote::Known => return Ok(()),
        GroupNote::TooMany => return Err(GroupError::TooManyGroups { limit }),
        GroupNote::New => {}
    }
    let topic = Topic::Group(engine.name().clone(), group.clone());
    let subscriptions = &engine.context.subscriptions;
    if let Err(error) = subscriptions.add(topic.clone()).await {
        connection.drop_group(group);
        return Err(backplane_failed(error));
    }
    if !engine.index.join(group, connection) {
        subscriptions.remove(&topic);
    }
    if !connection.has_noted(group) {
        stop_delivering(engine, connection, group);
    }
    Ok(())
}

/// Stops delivering the group's messages to the connection.
pub(crate) fn stop_delivering(engine: &Engine, connection: &ConnectionHandle, group: &GroupName) {
    connection.drop_group(group);
    if engine.index.leave(group, connection) {
        engine.context.subscriptions.remove(&Topic::Group(engine.name().clone(), group.clone()));
    }
}

#[cfg(test)]
mod tests;
