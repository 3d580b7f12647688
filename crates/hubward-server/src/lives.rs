//! This node among the others: announced, kept alive by heartbeats. A node that was taken for dead announces itself anew
//! and has its open connections recorded again. What it learns of the others is in `lives/others.rs`.

pub(crate) mod last_heartbeat;
pub(crate) mod listing;
mod others;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hubward_backplane::{Owner, RegistryError};
use hubward_types::{HubName, brief_causes};
use tokio::time::Instant;

use self::listing::apart;
use self::others::WeakHubs;
use crate::cluster::holding;
use crate::context::NodeContext;
use crate::engine::Engine;
use crate::membership::recording;

/// Heartbeats within a lease: two may be lost.
const HEARTBEATS_PER_LEASE: u32 = 3;

/// Announces the node, unless it lives already.
pub(crate) async fn announce(context: &NodeContext, hubs: &[HubName]) -> Result<(), RegistryError> {
    let Some(registry) = &context.registry else { return Ok(()) };
    let owner = context.owner();
    if owner != Owner::alone(context.id.clone()) {
        match registry.heartbeat(&owner, context.load()).await {
            Err(RegistryError::Fenced) => {}
            alive => return alive,
        }
    }
    let epoch = registry.announce(context.info(hubs)).await?;
    context.set_owner(Owner { node: context.id.clone(), epoch });
    Ok(())
}

/// Lets the others know at once that the node is about to leave. Where that fails, the next heartbeat does.
pub(crate) async fn announce_drain(context: &NodeContext) {
    let Some(registry) = context.registry.as_ref().filter(|_| context.is_announced()) else { return };
    if let Err(error) = registry.heartbeat(&context.owner(), context.load()).await {
        tracing::debug!(error = %brief_causes(&error), "That the node drains was not recorded.");
    }
}

/// Keeps the node alive while it shuts down, and does not end: what still runs is this node's, however long it takes.
pub(crate) async fn outlast_shutdown(context: &NodeContext) {
    let Some(registry) = &context.registry else { return std::future::pending().await };
    let interval = registry.lease() / HEARTBEATS_PER_LEASE;
    loop {
        let begun = Instant::now();
        // Nothing is restored any more where it has failed.
        let _ = tokio::time::timeout(interval, registry.heartbeat(&context.owner(), context.load())).await;
        context.last_heartbeat.note(begun);
        tokio::time::sleep(jittered(interval)).await;
    }
}

/// Leaves the other nodes.
pub(crate) async fn withdraw(context: &NodeContext) {
    let Some(registry) = &context.registry else { return };
    let owner = context.owner();
    // When the lease has ended, nothing is left to withdraw.
    let withdrawn = tokio::time::timeout(registry.lease(), registry.withdraw(&owner)).await;
    if let Err(error) = withdrawn.unwrap_or(Err(RegistryError::Unavailable(None))) {
        tracing::warn!(error = %brief_causes(&error), "The node could not be withdrawn; the others take it for dead when its lease has ended.");
    }
}

/// Keeps the node alive, watches the others, and sweeps what those that have died left. The tasks hold the node weakly,
/// and end with its shutdown.
pub(crate) fn watch<'a>(context: &Arc<NodeContext>, hubs: impl IntoIterator<Item = &'a Arc<Engine>>) {
    let Some(registry) = &context.registry else { return };
    let hubs: WeakHubs = hubs.into_iter().map(|hub| (hub.name().clone(), Arc::downgrade(hub))).collect();
    let interval = registry.lease() / HEARTBEATS_PER_LEASE;
    context.last_heartbeat.note(Instant::now());
    until_shutdown(context, keep_alive(Arc::downgrade(context), interval, hubs.clone()));
    until_shutdown(context, others::watch(Arc::downgrade(context), registry.watch(), interval, hubs));
    until_shutdown(context, others::sweep(Arc::downgrade(context), interval));
}

fn until_shutdown(context: &NodeContext, task: impl Future<Output = ()> + Send + 'static) {
    let shutdown = context.shutdown.clone();
    context.tasks.spawn(async move {
        tokio::select! {
            () = task => {}
            () = shutdown.cancelled() => {}
        }
    });
}

async fn keep_alive(context: Weak<NodeContext>, interval: Duration, hubs: WeakHubs) {
    let (mut failing, mut last) = (false, None);
    loop {
        let Some(died) = context.upgrade().map(|context| context.taken_for_dead.clone()) else { return };
        tokio::select! {
            () = tokio::time::sleep(jittered(interval)) => {}
            () = died.notified() => tokio::time::sleep(apart(last)).await,
        }
        let Some(context) = context.upgrade() else { return };
        let Some(registry) = &context.registry else { return };
        let begun = Instant::now();
        let engines = hubs.iter().filter_map(|(_, engine)| engine.upgrade());
        context.count_connections(engines.map(|engine| engine.connection_count()).sum());
        last = Some(begun);
        // One that hangs is given up, so that the next one is not late.
        let heartbeat = registry.heartbeat(&context.owner(), context.load());
        let beaten = match tokio::time::timeout(interval, heartbeat).await {
            Ok(Err(RegistryError::Fenced)) => begin_anew(&context, interval, &hubs).await,
            Ok(beaten) => beaten,
            Err(_) => Err(RegistryError::Unavailable(None)),
        };
        // Also where it has failed: a node that cannot ask goes on as it is.
        context.last_heartbeat.note(begun);
        hubs.iter().filter_map(|(_, engine)| engine.upgrade()).for_each(|engine| holding::release(&engine));
        match beaten {
            Ok(()) => {
                if std::mem::take(&mut failing) {
                    tracing::warn!("The node's heartbeats are recorded again.");
                }
            }
            // The log has said that the link is interrupted, which mostly has the same cause.
            Err(error) if context.link.is_interrupted() => {
                tracing::debug!(error = %brief_causes(&error), "A heartbeat was not recorded in an outage.");
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %brief_causes(&error), "The node's heartbeats cannot be recorded; the others may take it for dead.");
                }
            }
        }
    }
}

/// The others took this node for dead: it announces itself anew, and puts back what it holds. Until it has, it is tried
/// again with each heartbeat.
async fn begin_anew(context: &NodeContext, interval: Duration, hubs: &WeakHubs) -> Result<(), RegistryError> {
    let names: Vec<_> = hubs.iter().map(|(name, _)| name.clone()).collect();
    let announced = tokio::time::timeout(interval, announce(context, &names)).await;
    announced.unwrap_or(Err(RegistryError::Unavailable(None)))?;
    if context.load().draining {
        announce_drain(context).await;
    }
    context.link.count_gap();
    tracing::warn!(
        "The node was taken for dead, or its record was lost; it has announced itself anew and restores its connections."
    );
    hubs.iter().filter_map(|(_, engine)| engine.upgrade()).for_each(|engine| recording::restore(&engine));
    Ok(())
}

/// Returns an interval, or up to a fifth less: nodes that started together do not call the registry together for ever.
fn jittered(interval: Duration) -> Duration {
    const PARTS: u32 = 1024;
    let part = (RandomState::new().hash_one(()) % u64::from(PARTS)) as u32;
    interval - interval / 5 / PARTS * part
}

#[cfg(test)]
mod tests;
