//! Which nodes of the process live, and which are to be swept.

use std::collections::HashMap;
use std::time::Duration;

use hubward_types::NodeId;
use parking_lot::RwLock;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::node_registry::{LiveNode, NodeEvent, NodeEvents, NodeInfo, NodeLoad, RegistryError};
use crate::owner::{Epoch, Owner};

/// Events that a watcher may be behind; one that is further behind is notified that it missed some.
const EVENTS_KEPT: usize = 256;

pub(super) struct Nodes {
    pub(super) lease: Duration,
    state: RwLock<State>,
    events: broadcast::Sender<NodeEvent>,
}

#[derive(Default)]
struct State {
    last_epoch: u64,
    live: HashMap<NodeId, Live>,
    /// Lives that have ended and may have left something.
    ended: Vec<Ended>,
}

struct Live {
    node: LiveNode,
    heard: Instant,
}

struct Ended {
    owner: Owner,
    /// Who sweeps it, and until when nobody else may.
    swept_by: Option<(Owner, Instant)>,
}

impl Nodes {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, state: RwLock::default(), events: broadcast::channel(EVENTS_KEPT).0 }
    }

    pub(super) fn announce(&self, info: NodeInfo) -> Result<Epoch, RegistryError> {
        let now = Instant::now();
        let mut state = self.state.write();
        self.notice_deaths(&mut state, now);
        if state.live.contains_key(&info.id) {
            return Err(RegistryError::DuplicateId { node: info.id });
        }
        state.last_epoch += 1;
        let node = LiveNode { info, epoch: Epoch::new(state.last_epoch), load: NodeLoad::default() };
        state.live.insert(node.info.id.clone(), Live { node: node.clone(), heard: now });
        let epoch = node.epoch;
        // Under the lock, so that the events are in the order of the changes. Without watchers nobody needs it.
        let _ = self.events.send(NodeEvent::Joined(node));
        Ok(epoch)
    }

    pub(super) fn heartbeat(&self, owner: &Owner, load: NodeLoad) -> Result<(), RegistryError> {
        let now = Instant::now();
        let mut state = self.state.write();
        self.notice_deaths(&mut state, now);
        let live = state.live.get_mut(&owner.node).filter(|live| live.node.epoch == owner.epoch);
        let live = live.ok_or(RegistryError::Fenced)?;
        let begins_to_drain = load.draining && !live.node.load.draining;
        (live.heard, live.node.load) = (now, load);
        if begins_to_drain {
            let _ = self.events.send(NodeEvent::Draining(owner.clone()));
        }
        Ok(())
    }

    pub(super) fn withdraw(&self, owner: &Owner) {
        let mut state = self.state.write();
        let lives = state.live.get(&owner.node).is_some_and(|live| live.node.epoch == owner.epoch);
        if lives {
            self.end(&mut state, owner.clone(), NodeEvent::Left(owner.clone()));
        }
    }

    pub(super) fn list(&self) -> Vec<LiveNode> {
        let mut state = self.state.write();
        self.notice_deaths(&mut state, Instant::now());
        state.live.values().map(|live| live.node.clone()).collect()
    }

    pub(super) fn watch(&self) -> NodeEvents {
        let events = self.events.subscribe();
        Box::pin(futures_util::stream::unfold(events, async |mut events| match events.recv().await {
            Ok(event) => Some((event, events)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some((NodeEvent::Missed, events)),
            Err(broadcast::error::RecvError::Closed) => None,
        }))
    }

    /// Whether a life goes on.
    pub(super) fn lives(&self, owner: &Owner) -> bool {
        self.while_alive(owner, || ()).is_some()
    }

    /// Records something for an owner whose life goes on; `None` where it has ended. No life ends meanwhile, so that a
    /// sweep finds all that was recorded.
    pub(super) fn while_alive<T>(&self, owner: &Owner, record: impl FnOnce() -> T) -> Option<T> {
        self.while_alive_among(owner, |_| record())
    }

    /// As [`while_alive`](Self::while_alive); `record` may ask whether other lives go on.
    pub(super) fn while_alive_among<T>(
        &self,
        owner: &Owner,
        record: impl FnOnce(&dyn Fn(&Owner) -> bool) -> T,
    ) -> Option<T> {
        let (state, now) = (self.state.read(), Instant::now());
        let lives = |owner: &Owner| {
            // Where no node ever announced itself, there is one node alone.
            let alone = owner.epoch == Epoch::ALONE && state.last_epoch == 0;
            let live = state.live.get(&owner.node).filter(|live| live.node.epoch == owner.epoch);
            alone || live.is_some_and(|live| !live.is_overdue(now, self.lease))
        };
        lives(owner).then(|| record(&lives))
    }

    /// Leases a life that has ended to a sweeper; `None` where there is none that nobody else sweeps.
    pub(super) fn lease_ended(&self, by: &Owner) -> Option<Owner> {
        let now = Instant::now();
        let mut state = self.state.write();
        let free = |ended: &&mut Ended| {
            ended.swept_by.as_ref().is_none_or(|(sweeper, until)| sweeper == by || *until <= now)
        };
        let ended = state.ended.iter_mut().find(free)?;
        ended.swept_by = now.checked_add(self.lease).map(|until| (by.clone(), until));
        Some(ended.owner.clone())
    }

    /// Forgets a life that has left nothing more.
    pub(super) fn forget_ended(&self, owner: &Owner) {
        self.state.write().ended.retain(|ended| ended.owner != *owner);
    }

    /// Ends the lives of the nodes whose lease has ended.
    pub(super) fn notice_deaths_now(&self) {
        self.notice_deaths(&mut self.state.write(), Instant::now());
    }

    fn notice_deaths(&self, state: &mut State, now: Instant) {
        let overdue = state.live.values().filter(|live| live.is_overdue(now, self.lease));
        let dead: Vec<Owner> = overdue.map(|live| live.node.owner()).collect();
        for owner in dead {
            self.end(state, owner.clone(), NodeEvent::Died(owner));
        }
    }

    fn end(&self, state: &mut State, owner: Owner, event: NodeEvent) {
        state.live.remove(&owner.node);
        state.ended.push(Ended { owner, swept_by: None });
        let _ = self.events.send(event);
    }
}

impl Live {
    fn is_overdue(&self, now: Instant, lease: Duration) -> bool {
        now.duration_since(self.heard) > lease
    }
}
