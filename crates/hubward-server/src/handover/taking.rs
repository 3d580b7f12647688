//! The other node's side of a hand-over: it makes places for the sessions of a batch, receives for them, and takes them when their contents
//! come. A batch whose contents do not come is undone after a time. Each call may come again, and late.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{Owner, Topic};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::adopting::{self, Arrival};
use super::markers::Expected;
use super::place::{SessionPlace, publish_marker};
use super::preparing::{self, Ground};
use super::room::Room;
use super::wire::{
    Adopt, AdoptOutcome, AdoptReply, BatchId, Cancel, PlaceRefusal, Prepare, PrepareReply, Unanswered,
};
use crate::context::NodeContext;
use crate::drain::progress::DrainPhase;
use crate::engine::Engine;

/// How long places are kept for contents that do not come: longer than the other node takes until it gives up.
const PREPARED_FOR: Duration = Duration::from_secs(15);

/// How long the markers of the other node may take.
const MARKER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many batches are known, with those that are done: of each, the answer is kept for who asks again.
const MAX_BATCHES: usize = 1024;

/// What a node takes over from others.
pub(crate) struct Taking {
    ground: Ground,
    batches: Mutex<Batches>,
}

#[derive(Default)]
struct Batches {
    by_id: HashMap<BatchId, Batch>,
    /// From the oldest on.
    done: VecDeque<BatchId>,
}

/// How far a batch is.
enum Batch {
    /// Places are made, or contents are read.
    Busy,
    Prepared(Vec<Option<SessionPlace>>, Owner, PrepareReply),
    Done(AdoptReply),
}

impl Taking {
    pub(crate) fn new<'a>(
        context: &Arc<NodeContext>,
        hubs: impl IntoIterator<Item = &'a Arc<Engine>>,
        room: Arc<Room>,
    ) -> Arc<Self> {
        Arc::new(Self { ground: Ground::new(context, hubs, room), batches: Mutex::default() })
    }

    /// Makes places for sessions. Comes to its end whether or not the caller waits.
    pub(crate) async fn prepare(self: &Arc<Self>, call: Prepare) -> Result<PrepareReply, Unanswered> {
        let sessions = call.sessions.len();
        if self.drains() {
            return Ok(self.refuse_all(sessions, PlaceRefusal::Draining));
        }
        {
            let mut batches = self.batches.lock();
            match batches.by_id.get(&call.batch) {
                Some(Batch::Prepared(_, _, prepared)) => return Ok(prepared.clone()),
                Some(Batch::Busy | Batch::Done(_)) => return Err(Unanswered::Unclear),
                None => {}
            }
            if !batches.make_room() {
                return Ok(self.refuse_all(sessions, PlaceRefusal::NoRoom));
            }
            batches.by_id.insert(call.batch.clone(), Batch::Busy);
        }
        let this = self.clone();
        let preparing = self.ground.context.spawn(async move { this.make_places(call).await });
        preparing.await.map_err(|_| Unanswered::Unclear)
    }

    async fn make_places(self: Arc<Self>, call: Prepare) -> PrepareReply {
        let (batch, from, marker) = (call.batch.clone(), call.from(), call.marker);
        // Also where it panics.
        let mut entry = scopeguard::guard((self.clone(), Some(batch.clone())), |(this, batch)| {
            if let Some(batch) = batch {
                this.forget(&batch);
            }
        });
        let places = preparing::places(&self.ground, call.sessions).await;
        // What this node had begun to send is published before the marker.
        self.ground.context.sends.until_published().await;
        let id = self.ground.context.next_key();
        let refusals: Vec<_> = places.iter().map(|place| place.as_ref().err().copied()).collect();
        let prepared = PrepareReply::new(id, refusals.into_iter());
        let places: Vec<_> = places.into_iter().map(Result::ok).collect();
        let topics = preparing::topics_of(&places);
        // Before the old node is answered, which publishes it then.
        let expected = self.ground.context.markers.expect(&from.node, marker, topics.iter().cloned());
        let opening = Opening { topics, id, from: from.clone(), expected };
        self.batches.lock().by_id.insert(batch.clone(), Batch::Prepared(places, from, prepared.clone()));
        entry.1 = None;
        let this = self.clone();
        self.ground.context.tasks.spawn(async move { this.keep(batch, opening).await });
        prepared
    }

    /// Opens the places of a batch when the old node's markers have come, answers them with its own, and undoes the batch where
    /// its contents do not come.
    async fn keep(self: Arc<Self>, batch: BatchId, opening: Opening) {
        let shutdown = self.ground.context.shutdown.clone();
        let keeping = async {
            let kept_until = tokio::time::Instant::now() + PREPARED_FOR;
            if !opening.topics.is_empty() {
                let Opening { mut topics, id, from, expected } = opening;
                if timeout(MARKER_TIMEOUT, expected.arrived()).await.is_err() {
                    return;
                }
                let Some(engine) = self.open(&batch) else { return };
                topics.push(Topic::Node(from.node));
                publish_marker(&engine, topics, id);
            }
            tokio::time::sleep_until(kept_until).await;
        };
        tokio::select! {
            () = keeping => {}
            () = shutdown.cancelled() => {}
        }
        self.undo(&batch);
    }

    /// Opens the places of a batch. Returns the hub that they are of; `None` where messages may have been missed, or are held back.
    fn open(&self, batch: &BatchId) -> Option<Arc<Engine>> {
        let batches = self.batches.lock();
        let Some(Batch::Prepared(places, ..)) = batches.by_id.get(batch) else { return None };
        let engine = places.iter().flatten().next()?.engine.clone();
        if engine.held.is_holding() {
            return None;
        }
        places.iter().flatten().for_each(SessionPlace::open);
        Some(engine)
    }

    /// Takes the sessions whose contents are given; what else the batch has is undone. Comes to its end whether or not the
    /// caller waits.
    pub(crate) async fn adopt(self: &Arc<Self>, call: Adopt) -> Result<AdoptReply, Unanswered> {
        let sessions = call.sessions.len();
        let none = || AdoptReply::new(std::iter::repeat_n(AdoptOutcome::NotAdopted, sessions));
        let (places, from) = {
            let mut batches = self.batches.lock();
            match batches.by_id.remove(&call.batch) {
                // It was undone, or never prepared by this node.
                None => return Ok(none()),
                Some(Batch::Done(adopted)) => {
                    batches.by_id.insert(call.batch, Batch::Done(adopted.clone()));
                    return Ok(adopted);
                }
                Some(Batch::Busy) => {
                    batches.by_id.insert(call.batch, Batch::Busy);
                    return Err(Unanswered::Unclear);
                }
                Some(Batch::Prepared(places, from, _)) if !self.is_leaving() => {
                    batches.by_id.insert(call.batch.clone(), Batch::Busy);
                    (places, from)
                }
                // Dropped without the lock.
                Some(Batch::Prepared(places, ..)) => {
                    drop(batches);
                    drop(places);
                    return Ok(none());
                }
            }
        };
        let this = self.clone();
        let adopting = self.ground.context.spawn(async move { this.take(call, places, from).await });
        // Where it panicked, some may have come: the store knows.
        adopting.await.map_err(|_| Unanswered::Unclear)
    }

    async fn take(
        self: Arc<Self>,
        call: Adopt,
        mut places: Vec<Option<SessionPlace>>,
        from: Owner,
    ) -> AdoptReply {
        let batch = call.batch;
        let entry = scopeguard::guard((self.clone(), batch.clone()), |(this, batch)| this.forget(&batch));
        let arrivals = call.sessions.into_iter().map(|content| {
            let place = places.get_mut(content.place as usize).and_then(Option::take);
            place.map(|place| Arrival { place, content, from: from.clone() })
        });
        let arrivals: Vec<_> = arrivals.collect();
        // Those whose contents did not come.
        drop(places);
        let outcomes = adopting::adopt_all(arrivals).await;
        let adopted = AdoptReply::new(outcomes.into_iter());
        scopeguard::ScopeGuard::into_inner(entry);
        self.batches.lock().done(batch, adopted.clone());
        adopted
    }

    /// Undoes what was prepared.
    pub(crate) fn cancel(&self, call: &Cancel) {
        self.undo(&call.batch);
    }

    fn undo(&self, batch: &BatchId) {
        let mut batches = self.batches.lock();
        if matches!(batches.by_id.get(batch), Some(Batch::Prepared(..))) {
            let undone = batches.by_id.remove(batch);
            drop(batches);
            drop(undone);
        }
    }

    fn forget(&self, batch: &BatchId) {
        let forgotten = self.batches.lock().by_id.remove(batch);
        drop(forgotten);
    }

    fn is_leaving(&self) -> bool {
        self.ground.context.refusing.is_cancelled() || self.ground.context.shutdown.is_cancelled()
    }

    /// Whether the node is about to leave, so that nothing more is prepared.
    fn drains(&self) -> bool {
        self.is_leaving() || self.ground.context.progress.phase() > DrainPhase::Serving
    }

    fn refuse_all(&self, sessions: usize, refusal: PlaceRefusal) -> PrepareReply {
        let refusals = std::iter::repeat_n(Some(refusal), sessions);
        PrepareReply::new(0, refusals)
    }

    /// How many sessions have a place, or have come and wait for their clients.
    #[cfg(test)]
    pub(crate) fn sessions(&self) -> usize {
        self.ground.room.sessions()
    }
}

/// What is waited for until places are opened, and what is published then.
struct Opening {
    topics: Vec<Topic>,
    id: u64,
    from: Owner,
    expected: Expected,
}

impl Batches {
    /// Makes room for another batch; false where there is none.
    fn make_room(&mut self) -> bool {
        while self.by_id.len() >= MAX_BATCHES {
            let Some(oldest) = self.done.pop_front() else { return false };
            self.by_id.remove(&oldest);
        }
        true
    }

    fn done(&mut self, batch: BatchId, adopted: AdoptReply) {
        self.by_id.insert(batch.clone(), Batch::Done(adopted));
        self.done.push_back(batch);
    }
}
