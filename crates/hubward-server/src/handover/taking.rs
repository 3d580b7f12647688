//! The other node's side of a hand-over: it makes places for the sessions of a batch, receives for them, and takes them when their contents
//! come. A batch whose contents do not come is undone after a time. Each call may come again, and late.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hubward_backplane::{Body, Owner, Topic};
use hubward_types::HubName;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::adopting::{self, Arrival};
use super::coming::AllComing;
use super::markers::Expected;
use super::place::Place;
use super::preparing;
use super::room::Room;
use super::service::Unanswered;
use super::wire::{Adopt, Adopted, BatchId, Cancel, Outcome, Prepare, Prepared, Refusal};
use crate::context::NodeContext;
use crate::engine::Engine;

/// How long places are kept for contents that do not come: longer than the other node takes until it gives up.
const PREPARED_FOR: Duration = Duration::from_secs(15);

/// How long the markers of the other node may take.
const MARKER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many batches are known, with those that are done: of each, the answer is kept for who asks again.
const MAX_BATCHES: usize = 1024;

/// What a node takes over from others.
pub(crate) struct Taking {
    context: Arc<NodeContext>,
    /// Held weakly: the node's routes hold this.
    hubs: HashMap<HubName, Weak<Engine>>,
    pub(super) room: Arc<Room>,
    pub(super) coming: AllComing,
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
    Prepared(Vec<Option<Place>>, Owner, Prepared),
    Done(Adopted),
}

impl Taking {
    pub(crate) fn new<'a>(
        context: &Arc<NodeContext>,
        hubs: impl IntoIterator<Item = &'a Arc<Engine>>,
        room: Arc<Room>,
    ) -> Arc<Self> {
        let weak = |engine: &Arc<Engine>| (engine.name().clone(), Arc::downgrade(engine));
        Arc::new(Self {
            context: context.clone(),
            hubs: hubs.into_iter().map(weak).collect(),
            room,
            coming: AllComing::default(),
            batches: Mutex::default(),
        })
    }

    pub(super) fn hub(&self, name: &HubName) -> Option<Arc<Engine>> {
        self.hubs.get(name).and_then(Weak::upgrade)
    }

    pub(super) fn context(&self) -> &Arc<NodeContext> {
        &self.context
    }

    /// Makes places for sessions. Comes to its end whether or not the caller waits.
    pub(crate) async fn prepare(self: &Arc<Self>, call: Prepare) -> Result<Prepared, Unanswered> {
        let sessions = call.sessions.len();
        if self.is_leaving() {
            return Ok(self.refuse_all(sessions, Refusal::Draining));
        }
        {
            let mut batches = self.batches.lock();
            match batches.by_id.get(&call.batch) {
                Some(Batch::Prepared(_, _, prepared)) => return Ok(prepared.clone()),
                Some(Batch::Busy | Batch::Done(_)) => return Err(Unanswered::Unclear),
                None => {}
            }
            if !batches.make_room() {
                return Ok(self.refuse_all(sessions, Refusal::NoRoom));
            }
            batches.by_id.insert(call.batch.clone(), Batch::Busy);
        }
        let this = self.clone();
        let preparing = self.context.spawn(async move { this.make_places(call).await });
        preparing.await.map_err(|_| Unanswered::Unclear)
    }

    async fn make_places(self: Arc<Self>, call: Prepare) -> Prepared {
        let (batch, from, marker) = (call.batch.clone(), call.from(), call.marker);
        // Also where it panics.
        let mut entry = scopeguard::guard((self.clone(), Some(batch.clone())), |(this, batch)| {
            if let Some(batch) = batch {
                this.forget(&batch);
            }
        });
        let places = preparing::places(&self, call.sessions).await;
        // What this node had begun to send is published before the marker.
        self.context.sends.until_published().await;
        let id = self.context.next_key();
        let refusals: Vec<_> = places.iter().map(|place| place.as_ref().err().copied()).collect();
        let prepared = Prepared::new(id, refusals.into_iter());
        let places: Vec<_> = places.into_iter().map(Result::ok).collect();
        let topics = preparing::topics_of(&places);
        // Before the old node is answered, which publishes it then.
        let expected = self.context.markers.expect(&from.node, marker, topics.iter().cloned());
        let opening = Opening { topics, id, from: from.clone(), expected };
        self.batches.lock().by_id.insert(batch.clone(), Batch::Prepared(places, from, prepared.clone()));
        entry.1 = None;
        let this = self.clone();
        self.context.tasks.spawn(async move { this.keep(batch, opening).await });
        prepared
    }

    /// Opens the places of a batch when the old node's markers have come, answers them with its own, and undoes the batch where
    /// its contents do not come.
    async fn keep(self: Arc<Self>, batch: BatchId, opening: Opening) {
        let shutdown = self.context.shutdown.clone();
        let keeping = async {
            let kept_until = tokio::time::Instant::now() + PREPARED_FOR;
            if !opening.topics.is_empty() {
                let Opening { mut topics, id, from, expected } = opening;
                if timeout(MARKER_TIMEOUT, expected.arrived()).await.is_err() {
                    return;
                }
                self.open(&batch);
                topics.push(Topic::Node(from.node));
                self.publish_marker(topics, id);
            }
            tokio::time::sleep_until(kept_until).await;
        };
        tokio::select! {
            () = keeping => {}
            () = shutdown.cancelled() => {}
        }
        self.undo(&batch);
    }

    fn open(&self, batch: &BatchId) {
        if let Some(Batch::Prepared(places, ..)) = self.batches.lock().by_id.get(batch) {
            places.iter().flatten().for_each(Place::open);
        }
    }

    fn publish_marker(&self, topics: Vec<Topic>, id: u64) {
        if let Some(backplane) = &self.context.backplane {
            // Who waits for it knows whether it has come.
            drop(self.context.publish(backplane, topics, None, Body::Marker { id }));
        }
    }

    /// Takes the sessions whose contents are given; what else the batch has is undone. Comes to its end whether or not the
    /// caller waits.
    pub(crate) async fn adopt(self: &Arc<Self>, call: Adopt) -> Result<Adopted, Unanswered> {
        let sessions = call.sessions.len();
        let none = || Adopted::new(std::iter::repeat_n(Outcome::NotAdopted, sessions));
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
        let adopting = self.context.spawn(async move { this.take(call, places, from).await });
        // Where it panicked, some may have come: the store knows.
        adopting.await.map_err(|_| Unanswered::Unclear)
    }

    async fn take(self: Arc<Self>, call: Adopt, mut places: Vec<Option<Place>>, from: Owner) -> Adopted {
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
        let adopted = Adopted::new(outcomes.into_iter());
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
        self.context.refusing.is_cancelled() || self.context.shutdown.is_cancelled()
    }

    fn refuse_all(&self, sessions: usize, refusal: Refusal) -> Prepared {
        let refusals = std::iter::repeat_n(Some(refusal), sessions);
        Prepared::new(0, refusals)
    }

    /// How many sessions have a place, or have come and wait for their clients.
    #[cfg(test)]
    pub(crate) fn sessions(&self) -> usize {
        self.room.sessions()
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

    fn done(&mut self, batch: BatchId, adopted: Adopted) {
        self.by_id.insert(batch.clone(), Batch::Done(adopted));
        self.done.push_back(batch);
    }
}
