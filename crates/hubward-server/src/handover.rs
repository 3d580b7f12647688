//! A node that drains hands its sessions over to other nodes, so that their clients resume them there: nothing is lost, and nothing
//! comes twice. `giving.rs` is its side, `taking.rs` that of the others, `wire.rs` what they say to each other. Where there is no
//! other node, sessions are parked.
//!
//! At any time the group store has one owner of a connection, and only who becomes the owner there goes on with it.

mod adopting;
pub(crate) mod calls;
mod coming;
mod giving;
mod leaving;
pub(crate) mod markers;
pub(crate) mod parking;
mod place;
mod preparing;
pub(crate) mod room;
pub(crate) mod service;
pub(crate) mod taking;
mod targets;
mod wire;

use std::collections::{HashMap, HashSet};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hubward_types::{HubName, NodeId, brief_causes};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::calls::HandoverPeers;
use self::giving::{Batch, Given};
use self::leaving::{Leaving, Stays};
use self::parking::{NotParked, Parking};
use self::targets::Targets;
use self::wire::{MAX_BATCH_BYTES, MAX_SESSIONS};
use crate::connection::handle::ConnectionHandle;
use crate::connection::moving::take;
use crate::context::NodeContext;
use crate::engine::Engine;

/// How many sessions without running calls are taken out of their connections at once. These wait for their clients' calls no
/// longer than it takes to hand them over.
const TAKEN_AT_ONCE: usize = 256;

/// How many sessions with running calls are waited for at once.
const AWAITED_AT_ONCE: usize = 8 * 1024;

/// How many batches are handed over at once.
const BATCHES_AT_ONCE: usize = 4;

/// How many nodes are tried for a session.
const ATTEMPTS: usize = 3;

/// Of the time there is, what is kept for handing over sessions whose calls were waited for.
const LAST_PART: u32 = 3;
const LONGEST_LAST_PART: Duration = Duration::from_secs(3);

/// What became of the sessions of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct HandedOver {
    /// Other nodes have these.
    pub(crate) moved: usize,
    /// These are in the store.
    pub(crate) parked: usize,
    /// These go on here, and their clients are yet to be asked to reconnect.
    pub(crate) stayed: usize,
    /// The clients of these were asked to reconnect.
    pub(crate) unclear: usize,
}

/// One hand-over of all sessions of a node.
struct HandingOver {
    context: Arc<NodeContext>,
    peers: HandoverPeers,
    targets: Arc<Targets>,
    /// The hubs that no other node has, or none that stays: only their sessions are parked.
    alone: HashSet<HubName>,
    parking: Parking,
    until: Instant,
    done: Mutex<HandedOver>,
}

/// Hands the sessions of hubs over to other nodes. What has begun by `until` comes to its end soon afterwards, whether or not this
/// is waited for; what has not goes on here.
pub(crate) async fn hand_over(context: &Arc<NodeContext>, hubs: &[Arc<Engine>], until: Instant) {
    let HandedOver { moved, parked, stayed, unclear } = hand_over_all(context, hubs, until).await;
    if moved + parked + stayed + unclear > 0 {
        tracing::info!(moved, parked, stayed, unclear, "Sessions were handed over to other nodes.");
    }
}

async fn hand_over_all(context: &Arc<NodeContext>, hubs: &[Arc<Engine>], until: Instant) -> HandedOver {
    if until <= Instant::now() {
        return HandedOver::default();
    }
    let Some(peers) = context.handover_peers() else { return HandedOver::default() };
    let Some(registry) = &context.registry else { return HandedOver::default() };
    let sessions = resumable(hubs);
    if sessions.is_empty() {
        return HandedOver::default();
    }
    let live = match registry.list().await {
        Ok(live) => live,
        Err(error) => {
            // Nobody could become the owner of a connection either.
            tracing::warn!(error = %brief_causes(&error), "The other nodes could not be listed; no sessions are handed over.");
            return HandedOver { stayed: sessions.len(), ..HandedOver::default() };
        }
    };
    let targets = Arc::new(Targets::of(&live, &context.id, |node| context.peer_stays(node)));
    let names = hubs.iter().map(|hub| hub.name().clone());
    let handing_over = HandingOver {
        context: context.clone(),
        peers,
        alone: names.filter(|hub| targets.is_empty_for(hub)).collect(),
        targets,
        parking: Parking::default(),
        until,
        done: Mutex::default(),
    };
    let taken = handing_over.taken(sessions).ready_chunks(MAX_SESSIONS);
    let give = |sessions| handing_over.give_all(sessions);
    taken.for_each_concurrent(BATCHES_AT_ONCE, give).await;
    *handing_over.done.lock()
}

/// A session that can move, by its connection.
type Resumable = (Arc<Engine>, Arc<ConnectionHandle>);

fn resumable(hubs: &[Arc<Engine>]) -> Vec<Resumable> {
    let mut sessions = Vec::new();
    for hub in hubs {
        hub.index.for_all(|connection| {
            if connection.opening_request().stateful && connection.is_open() {
                sessions.push((hub.clone(), connection.clone()));
            }
        });
    }
    sessions
}

impl HandingOver {
    /// Takes the sessions out of their connections: as they come, those without running calls, and the others when their calls have
    /// ended.
    fn taken(&self, sessions: Vec<Resumable>) -> impl Stream<Item = Leaving> {
        let left = self.until.saturating_duration_since(Instant::now());
        let calls_until = self.until - (left / LAST_PART).min(LONGEST_LAST_PART);
        let (idle, busy): (Vec<_>, Vec<_>) =
            sessions.into_iter().partition(|(_, connection)| connection.calls.is_empty());
        let take_one = move |(engine, connection): Resumable| async move {
            let taken = take(&connection, calls_until).await;
            match taken {
                Ok(taken) => Some(Leaving::new(engine, connection, taken)),
                Err(error) => {
                    tracing::debug!(hub = %engine.name(), connection_id = %connection.logged_id(), %error, "A session does not move.");
                    None
                }
            }
        };
        let idle = stream::iter(idle).map(take_one).buffer_unordered(TAKEN_AT_ONCE);
        let busy = stream::iter(busy).map(take_one).buffer_unordered(AWAITED_AT_ONCE);
        stream::select(idle, busy).filter_map(ready)
    }

    /// Hands sessions over to whichever nodes take them.
    async fn give_all(&self, mut sessions: Vec<Leaving>) {
        let mut homeless = Vec::new();
        for _ in 0..ATTEMPTS {
            if sessions.is_empty() || Instant::now() >= self.until {
                break;
            }
            let mut left = Vec::new();
            for batch in batches(std::mem::take(&mut sessions)) {
                let Some((node, batch)) = self.target_of(batch, &mut homeless) else { continue };
                let given = self.give(node, batch).await;
                self.note(&given);
                for (session, stays) in given.left {
                    match stays {
                        Stays::NoNode => left.push(session),
                        Stays::Itself => self.done.lock().stayed += 1,
                    }
                }
            }
            sessions = left;
        }
        // Those that no node takes which there is go on here until they are asked to reconnect.
        self.done.lock().stayed += sessions.len();
        drop(sessions);
        self.park_all(homeless).await;
    }

    fn target_of(&self, batch: Vec<Leaving>, homeless: &mut Vec<Leaving>) -> Option<(NodeId, Vec<Leaving>)> {
        let hub = batch.first()?.engine.name();
        match self.targets.choose(hub, batch.len(), |node| self.context.peer_stays(node)) {
            Some(node) => Some((node, batch)),
            None => {
                homeless.extend(batch);
                None
            }
        }
    }

    /// In a task of its own: a batch whose contents were given has to be decided, whoever waits.
    async fn give(&self, node: NodeId, sessions: Vec<Leaving>) -> Given {
        let batch = Batch {
            context: self.context.clone(),
            peers: self.peers.clone(),
            targets: self.targets.clone(),
            node,
            until: self.until,
        };
        // Where it panicked, its sessions were taken back, or their clients asked to reconnect.
        self.context.spawn(async move { batch.give(sessions).await }).await.unwrap_or_default()
    }

    async fn park_all(&self, sessions: Vec<Leaving>) {
        for session in sessions {
            let may_park = self.alone.contains(session.engine.name()) && Instant::now() < self.until;
            let parked = match may_park {
                true => self.parking.park(&self.peers.seals, session).await,
                false => Err(NotParked::Stays(Box::new(session))),
            };
            let mut done = self.done.lock();
            match parked {
                Ok(()) => done.parked += 1,
                Err(NotParked::Stays(session)) => {
                    done.stayed += 1;
                    // Not inside of the lock: it goes on.
                    drop(done);
                    drop(session);
                }
                Err(NotParked::Unclear) => done.unclear += 1,
            }
        }
    }

    fn note(&self, given: &Given) {
        let mut done = self.done.lock();
        done.moved += given.moved;
        done.unclear += given.unclear;
        drop(done);
        self.context.progress.note(|report| report.handed_over += given.moved);
    }
}

/// Divides sessions into batches of one hub, none with more bytes than fit.
fn batches(sessions: Vec<Leaving>) -> Vec<Vec<Leaving>> {
    let mut by_hub: HashMap<HubName, Vec<Vec<Leaving>>> = HashMap::new();
    let mut bytes: HashMap<HubName, usize> = HashMap::new();
    for session in sessions {
        let (hub, size) = (session.engine.name().clone(), session.content_bytes());
        let (batches, filled) =
            (by_hub.entry(hub.clone()).or_default(), bytes.entry(hub).or_insert(usize::MAX));
        match filled.checked_add(size).filter(|filled| *filled <= MAX_BATCH_BYTES) {
            Some(sum) => *filled = sum,
            None => {
                batches.push(Vec::new());
                *filled = size;
            }
        }
        if let Some(last) = batches.last_mut() {
            last.push(session);
        }
    }
    by_hub.into_values().flatten().collect()
}

#[cfg(test)]
mod tests;
