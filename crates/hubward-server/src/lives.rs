//! This node among the others: announced, kept alive by heartbeats, and notified of those that come and go. What a dead
//! node left is swept; a node that was taken for dead announces itself anew and restores what it holds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use hubward_backplane::{
    HeldConnection, MAX_RESTORED_AT_ONCE, NodeEvent, NodeInfo, NodeRegistry, Owner, RegistryError, StoreError,
};
use hubward_types::{HubName, NodeId};

use crate::connection::close_reason::CloseReason;
use crate::context::NodeContext;
use crate::engine::Engine;

/// Heartbeats within a lease: two may be lost.
const HEARTBEATS_PER_LEASE: u32 = 3;

/// Connections of a dead node that are removed in one step.
const SWEPT_AT_ONCE: usize = 100;

/// Announces the node, unless it lives already.
pub(crate) async fn announce(context: &NodeContext, hubs: &[HubName]) -> Result<(), RegistryError> {
    let Some(registry) = &context.registry else { return Ok(()) };
    let owner = context.owner();
    if owner != Owner::alone(context.id.clone()) {
        match registry.heartbeat(&owner).await {
            Err(RegistryError::Fenced) => {}
            alive => return alive,
        }
    }
    let info = NodeInfo { id: context.id.clone(), address: None, hubs: hubs.to_vec() };
    let epoch = registry.announce(info).await?;
    context.set_owner(Owner { node: context.id.clone(), epoch });
    Ok(())
}

/// Leaves the other nodes.
pub(crate) async fn withdraw(context: &NodeContext) {
    let Some(registry) = &context.registry else { return };
    if let Err(error) = registry.withdraw(&context.owner()).await {
        tracing::warn!(%error, "The node could not be withdrawn; the others take it for dead when its lease has ended.");
    }
}

/// Keeps the node alive, and watches the others. The tasks hold the node weakly, and end with its shutdown.
pub(crate) fn watch<'a>(context: &Arc<NodeContext>, hubs: impl IntoIterator<Item = &'a Arc<Engine>>) {
    let Some(registry) = &context.registry else { return };
    let hubs: Vec<_> = hubs.into_iter().map(|hub| (hub.name().clone(), Arc::downgrade(hub))).collect();
    let interval = registry.lease() / HEARTBEATS_PER_LEASE;
    let shutdown = context.shutdown.clone();
    let alive = keep_alive(Arc::downgrade(context), interval, hubs);
    context.tasks.spawn(async move {
        tokio::select! {
            () = alive => {}
            () = shutdown.cancelled() => {}
        }
    });
    let shutdown = context.shutdown.clone();
    let (weak, mut events) = (Arc::downgrade(context), registry.watch());
    context.tasks.spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = shutdown.cancelled() => return,
            };
            let (Some(event), Some(context)) = (event, weak.upgrade()) else { return };
            match event {
                NodeEvent::Left(owner) | NodeEvent::Died(owner) => gone(&context, &owner.node),
                _ => {}
            }
        }
    });
}

/// Whoever waits for a node that is gone waits in vain.
fn gone(context: &NodeContext, node: &NodeId) {
    if *node != context.id {
        context.owners.forget_node(node);
        context.pending.node_gone(node);
    }
}

async fn keep_alive(context: Weak<NodeContext>, interval: Duration, hubs: Vec<(HubName, Weak<Engine>)>) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(context) = context.upgrade() else { return };
        let Some(registry) = &context.registry else { return };
        match registry.heartbeat(&context.owner()).await {
            Ok(()) => sweep(&context, registry).await,
            Err(RegistryError::Fenced) => begin_anew(&context, &hubs).await,
            Err(error) => tracing::warn!(%error, "The node's heartbeat could not be recorded."),
        }
    }
}

/// Removes what dead nodes left, in steps.
async fn sweep(context: &NodeContext, registry: &Arc<dyn NodeRegistry>) {
    loop {
        match registry.sweep(&context.owner(), SWEPT_AT_ONCE).await {
            Ok(sweep) if sweep.finished => return,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => return tracing::warn!(%error, "What dead nodes left could not be swept."),
        }
    }
}

/// The others took this node for dead: it announces itself anew and puts back what it holds.
async fn begin_anew(context: &NodeContext, hubs: &[(HubName, Weak<Engine>)]) {
    tracing::warn!("The node was taken for dead; it announces itself anew and restores its connections.");
    let names: Vec<_> = hubs.iter().map(|(name, _)| name.clone()).collect();
    if let Err(error) = announce(context, &names).await {
        return tracing::warn!(%error, "The node could not be announced anew; it is tried again.");
    }
    for engine in hubs.iter().filter_map(|(_, engine)| engine.upgrade()) {
        if let Err(error) = restore(&engine).await {
            tracing::warn!(hub = %engine.name(), %error, "Connections could not be restored.");
        }
    }
}

async fn restore(engine: &Arc<Engine>) -> Result<(), StoreError> {
    let mut connections = Vec::new();
    engine.index.for_all(|connection| connections.push(connection.clone()));
    for connections in connections.chunks(MAX_RESTORED_AT_ONCE) {
        let held = connections.iter().filter(|connection| !connection.is_closed()).map(|connection| {
            let own = connection.groups.all().into_iter().filter(|(_, reasons)| reasons.own);
            HeldConnection {
                hub: engine.name().clone(),
                connection: connection.id.clone(),
                user: connection.principal.user_id().cloned(),
                groups: own.map(|(group, _)| group).collect(),
            }
        });
        let held = held.collect();
        let lost = engine.context.store.restore(&engine.context.owner(), held).await?;
        for (_, id) in lost {
            if let Some(connection) = engine.index.connection(&id) {
                connection.close(CloseReason::Aborted);
            }
        }
    }
    Ok(())
}
