//! The other nodes: whoever waits for one that has left or died stops waiting, and what it left in the store is swept.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use hubward_backplane::{LiveNode, NodeEvent, NodeEvents, NodeRegistry, Owner, RegistryError, Sweep};
use hubward_transport::Lines;
use hubward_types::{HubName, NodeId, brief_causes, brief_name};
use tokio::time::Instant;

use super::listing::{Listing, apart};
use crate::context::NodeContext;
use crate::engine::Engine;

/// Connections of a dead node that are removed in one step.
const SWEPT_AT_ONCE: usize = 100;

/// The hubs of a node, held weakly: what keeps a node alive among the others does not keep it in memory.
pub(super) type WeakHubs = Arc<[(HubName, Weak<Engine>)]>;

/// Whether a list has all the nodes that are expected.
pub(super) enum Peering {
    Complete,
    /// Some are missing without a reason: the nodes are to be listed again.
    SomeMissing,
}

/// Watches nodes come and go.
pub(super) async fn watch(
    context: Weak<NodeContext>,
    mut events: NodeEvents,
    interval: Duration,
    hubs: WeakHubs,
) {
    let mut listing = Listing::default();
    if !matches!(learn(&context, interval).await, Ok(Peering::Complete)) {
        listing.within(interval);
    }
    let Some(peers) = context.upgrade().map(|context| context.peers.clone()) else { return };
    loop {
        let event = tokio::select! {
            event = events.next() => event.map(Some),
            () = listing.is_due() => Some(None),
            () = peers.list_wanted() => {
                listing.within(Duration::ZERO);
                continue;
            }
        };
        if event.is_none() {
            tokio::time::sleep(interval).await;
        }
        let Some(context) = context.upgrade() else { return };
        let Some(registry) = &context.registry else { return };
        match event {
            Some(Some(event)) => {
                if let Some(owner) = note(&context, &hubs, event, &mut listing, interval)
                    && !matches!(
                        ended(&context, registry, interval, &hubs, &owner).await,
                        Ok(Peering::Complete)
                    )
                {
                    listing.within(interval);
                }
            }
            Some(None) => {
                listing.begin();
                if !matches!(list_again(&context, registry, interval, &hubs).await, Ok(Peering::Complete)) {
                    listing.within(interval);
                }
            }
            None => {
                events = registry.watch();
                listing.within(interval);
            }
        }
    }
}

/// Notes an event. Returns whose end is to be looked at. Whoever can publish can forge events: they are believed for as long
/// as no list says otherwise, and cost little.
fn note(
    context: &NodeContext,
    hubs: &WeakHubs,
    event: NodeEvent,
    listing: &mut Listing,
    interval: Duration,
) -> Option<Owner> {
    match event {
        NodeEvent::Left(owner) | NodeEvent::Died(owner) if owner == context.owner() => {
            context.taken_for_dead.notify_one();
        }
        // An earlier life of this node.
        NodeEvent::Left(owner) | NodeEvent::Died(owner) if owner.node == context.id => {}
        NodeEvent::Left(owner) | NodeEvent::Died(owner) => {
            context.others_died.notify_one();
            if is_known(context, hubs, &owner.node) {
                if listing.allows_end() {
                    return Some(owner);
                }
                listing.within(Duration::ZERO);
            }
        }
        NodeEvent::Draining(owner) if owner.node == context.id => {}
        NodeEvent::Draining(owner) => {
            context.draining_peers.note(owner.node);
            listing.within(interval);
        }
        NodeEvent::Joined(node) if node.info.id == context.id => {}
        NodeEvent::Joined(node) => {
            context.draining_peers.forget(&node.info.id);
            context.peers.joined(node.info.id);
            listing.within(interval);
        }
        NodeEvent::Missed => listing.within(Duration::ZERO),
        _ => {}
    }
    None
}

/// Whether a node is one that this node knows of, or waits for, or that waits for this node.
fn is_known(context: &NodeContext, hubs: &WeakHubs, node: &NodeId) -> bool {
    let mut engines = hubs.iter().filter_map(|(_, engine)| engine.upgrade());
    context.peers.contains(node)
        || context.pending.nodes().contains(node)
        || engines.any(|engine| engine.forwarded.nodes().contains(node))
}

/// Lists the nodes that live when this one joins them.
async fn learn(context: &Weak<NodeContext>, interval: Duration) -> Result<Peering, RegistryError> {
    let Some(context) = context.upgrade() else { return Ok(Peering::Complete) };
    let Some(registry) = &context.registry else { return Ok(Peering::Complete) };
    let live = list(registry, interval).await?;
    let peering = note_peers(&context, &live, interval);
    let others = live.iter().filter(|node| node.info.id != context.id).count();
    tracing::info!(node = %context.id, others, "The node has joined the cluster.");
    Ok(peering)
}

/// A node that the registry has lost announces itself anew with its next heartbeat, and a second one is for a slow registry.
fn note_peers(context: &NodeContext, live: &[LiveNode], interval: Duration) -> Peering {
    let draining = live.iter().filter(|node| node.load.draining);
    context.draining_peers.listed(draining.map(|node| node.info.id.clone()));
    let others = live.iter().map(|node| &node.info).filter(|info| info.id != context.id);
    let others = others.map(|info| (info.id.clone(), info.address.clone()));
    if context.peers.listed(others, 2 * interval) { Peering::SomeMissing } else { Peering::Complete }
}

/// A life of a node has ended. Where the node has begun another one by now, it may be that one that somebody waits for:
/// what was asked is asked again. Where no list says what became of it, its end is believed until one does.
pub(super) async fn ended(
    context: &NodeContext,
    registry: &Arc<dyn NodeRegistry>,
    interval: Duration,
    hubs: &WeakHubs,
    owner: &Owner,
) -> Result<Peering, RegistryError> {
    let ended = |node: &NodeId| *node == owner.node;
    context.owners.forget_nodes(ended);
    context.draining_peers.forget(&owner.node);
    cancel_forwarded(hubs, ended);
    loop {
        let asked = context.pending.asked();
        let listed = list(registry, interval).await;
        if let Ok(live) = &listed
            && live.iter().any(|node| ended(&node.info.id))
        {
            // First: it may be reached elsewhere.
            let peering = note_peers(context, live, interval);
            context.pending.node_interrupted(&owner.node);
            return Ok(peering);
        }
        if context.peers.gone(&owner.node) && listed.is_ok() {
            log_end(context, &owner.node);
        }
        context.pending.nodes_gone(asked, ended);
        // What was asked meanwhile was asked of the life that has ended, or of one that began meanwhile.
        let live = listed?;
        if !context.pending.nodes().contains(&owner.node) {
            return Ok(note_peers(context, &live, interval));
        }
    }
}

fn log_end(context: &NodeContext, node: &NodeId) {
    let summarize = |number| tracing::info!(number, "More nodes have left the cluster or died.");
    if context.logged_ends.allows((), Lines::Few, summarize) {
        let node = brief_name(node.as_str());
        tracing::info!(%node, "Another node has left the cluster or died; what it held is removed.");
    }
}

/// Lists the nodes that live. A registry that does not answer holds up no events.
async fn list(registry: &Arc<dyn NodeRegistry>, limit: Duration) -> Result<Vec<LiveNode>, RegistryError> {
    let listed = tokio::time::timeout(limit, registry.list()).await;
    listed.unwrap_or(Err(RegistryError::Unavailable(None)))
}

/// Nodes that are gone wait for no results of this node's clients any more.
fn cancel_forwarded(hubs: &WeakHubs, gone: impl Fn(&NodeId) -> bool) {
    for engine in hubs.iter().filter_map(|(_, engine)| engine.upgrade()) {
        engine.forwarded.cancel_all_of(&gone);
    }
}

/// Finds out which nodes are gone of those that somebody waits for.
async fn list_again(
    context: &NodeContext,
    registry: &Arc<dyn NodeRegistry>,
    interval: Duration,
    hubs: &WeakHubs,
) -> Result<Peering, RegistryError> {
    // From before the list is made: one that is announced meanwhile is not on it, and is not gone.
    let (asked, mut known) = (context.pending.asked(), context.pending.nodes());
    for engine in hubs.iter().filter_map(|(_, engine)| engine.upgrade()) {
        known.extend(engine.forwarded.nodes());
    }
    let live = list(registry, interval).await?;
    let peering = note_peers(context, &live, interval);
    let live: HashSet<NodeId> = live.into_iter().map(|node| node.info.id).collect();
    let gone = |node: &NodeId| known.contains(node) && !live.contains(node);
    context.pending.nodes_gone(asked, gone);
    cancel_forwarded(hubs, gone);
    context.owners.forget_nodes(|node| !live.contains(node));
    context.others_died.notify_one();
    Ok(peering)
}

/// Removes what dead nodes left, in steps.
pub(super) async fn sweep(context: Weak<NodeContext>, interval: Duration) {
    let Some(died) = context.upgrade().map(|context| context.others_died.clone()) else { return };
    let (mut failing, mut last) = (false, None);
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = died.notified() => tokio::time::sleep(apart(last)).await,
        }
        last = Some(Instant::now());
        loop {
            let Some(context) = context.upgrade() else { return };
            match sweep_some(&context, interval).await {
                Ok(sweep) => {
                    failing = false;
                    if sweep.finished {
                        break;
                    }
                }
                // As with heartbeats, the log has the outage.
                Err(error) if context.link.is_interrupted() => {
                    tracing::debug!(error = %brief_causes(&error), "Nothing was swept in an outage.");
                    break;
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = %brief_causes(&error), "What dead nodes left cannot be swept.");
                    }
                    break;
                }
            }
            drop(context);
            tokio::task::yield_now().await;
        }
    }
}

async fn sweep_some(context: &NodeContext, interval: Duration) -> Result<Sweep, RegistryError> {
    let Some(registry) = &context.registry else { return Ok(Sweep { removed: 0, finished: true }) };
    let swept = tokio::time::timeout(interval, registry.sweep(&context.owner(), SWEPT_AT_ONCE)).await;
    match swept.unwrap_or(Err(RegistryError::Unavailable(None))) {
        // Its next heartbeat lets it announce itself anew.
        Err(RegistryError::Fenced) => Ok(Sweep { removed: 0, finished: true }),
        swept => swept,
    }
}
