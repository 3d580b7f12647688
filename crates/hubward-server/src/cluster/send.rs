//! Sends a message to connections of other nodes: to each node that holds some of them one envelope, in the hub's order.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use hubward_backplane::{Backplane, Body, Frames, Topic};
use hubward_hub::{SendError, Sending};
use hubward_types::{ConnectionId, NodeId, TraceContext};
use scopeguard::{ScopeGuard, guard};

use super::outbox::{Lookup, LookupTurn, Parcel};
use super::owners::LOOKUP_TIMEOUT;
use crate::context::{backplane_failed, not_sent};
use crate::engine::Engine;

/// How many recipients of one message are looked up at once.
const LOOKUPS_AT_ONCE: usize = 64;

pub(crate) fn send_to(engine: &Arc<Engine>, backplane: &Arc<dyn Backplane>, message: Lookup) -> Sending {
    let (hub, owners) = (engine.name(), &engine.context.owners);
    let known = message.connections.iter().map(|id| owners.cached(hub, id)).collect::<Option<Vec<_>>>();
    if let Some(known) = known {
        let Lookup { connections, frames, trace } = message;
        let parcels = parcels(engine, connections.into_iter().zip(known), &frames, trace.as_ref());
        return engine.outbox.publish_all(backplane, parcels);
    }
    let (turn, sending) = engine.outbox.queue_lookup(message);
    let LookupTurn::LookUp(number, lookup) = turn else { return sending };
    let (engine, backplane) = (engine.clone(), backplane.clone());
    let context = engine.context.clone();
    // Also where the lookup panics, or is dropped before it begins: what waits behind it has its turn.
    let turn = guard((engine, backplane), move |(engine, backplane)| {
        engine.outbox.resolve(&backplane, number, Err(not_sent(NOT_FOUND_OUT)));
    });
    context.spawn(async move {
        let parcels = find(&turn.0, lookup).await;
        let (engine, backplane) = ScopeGuard::into_inner(turn);
        engine.outbox.resolve(&backplane, number, parcels);
    });
    sending
}

const NOT_FOUND_OUT: &str = "the lookup of the node that holds the connection did not come to its end";
const SLOW_STORE: &str = "the group store did not report in time which node holds the connection";

/// Makes the envelopes of a message: finds the nodes that hold its recipients.
pub(crate) async fn find(engine: &Engine, lookup: Lookup) -> Result<Vec<Parcel>, SendError> {
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, look_up(engine, lookup.connections)).await;
    let found = found.unwrap_or_else(|_| Err(not_sent(SLOW_STORE)))?;
    Ok(parcels(engine, found, &lookup.frames, lookup.trace.as_ref()))
}

/// Finds the nodes that hold connections; those that no node holds are left out.
async fn look_up(
    engine: &Engine,
    connections: Vec<ConnectionId>,
) -> Result<Vec<(ConnectionId, NodeId)>, SendError> {
    let context = &engine.context;
    let find = async |id: ConnectionId| {
        let found =
            context.owners.find(&context.store, engine.name(), &id).await.map_err(backplane_failed)?;
        Ok(found.filter(|node| *node != context.id).map(|node| (id, node)))
    };
    let found = futures_util::stream::iter(connections.into_iter().map(find)).buffered(LOOKUPS_AT_ONCE);
    let found: Vec<Result<_, SendError>> = found.collect().await;
    found.into_iter().filter_map(Result::transpose).collect()
}

/// One envelope for each node.
fn parcels(
    engine: &Engine,
    connections: impl IntoIterator<Item = (ConnectionId, NodeId)>,
    frames: &Frames,
    trace: Option<&TraceContext>,
) -> Vec<Parcel> {
    let mut by_node: BTreeMap<NodeId, Vec<ConnectionId>> = BTreeMap::new();
    for (connection, node) in connections {
        by_node.entry(node).or_default().push(connection);
    }
    let parcel = |(node, connections)| {
        let (hub, frames) = (engine.name().clone(), frames.clone());
        let envelope = engine.context.envelope(trace, Body::DeliverTo { hub, connections, frames });
        Parcel { topics: vec![Topic::Node(node)], envelope }
    };
    by_node.into_iter().map(parcel).collect()
}

#[cfg(test)]
mod tests;
