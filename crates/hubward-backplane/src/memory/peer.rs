//! One node of an in-memory network: its subscriptions, and whether what is published to it is delivered,
//! held back or lost.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use hubward_types::NodeId;
use parking_lot::Mutex;

use crate::backplane::{BackplaneError, Subscriber};
use crate::topic::Topic;

pub(super) struct Peer {
    pub(super) node: NodeId,
    /// What the node is subscribed to. Locked before a shard of the network's topics, never after.
    pub(super) subscriptions: Mutex<HashSet<Topic>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    is_cut: bool,
    is_held: bool,
    /// What was published while the node was held, in order. Without bound, since only tests hold a node.
    held: VecDeque<(Topic, Bytes)>,
}

#[derive(Default)]
enum Phase {
    #[default]
    New,
    Started(Arc<dyn Subscriber>),
    Stopped,
}

impl Peer {
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, subscriptions: Mutex::default(), state: Mutex::default() }
    }

    pub(super) fn start(&self, subscriber: Arc<dyn Subscriber>) -> Result<(), BackplaneError> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Stopped => Err(BackplaneError::Stopped),
            Phase::Started(_) => Err(BackplaneError::AlreadyStarted),
            Phase::New if state.is_cut => Err(BackplaneError::Unavailable(None)),
            Phase::New => {
                state.phase = Phase::Started(subscriber);
                Ok(())
            }
        }
    }

    /// Ends deliveries and returns the subscriber, if the node was started.
    pub(super) fn stop(&self) -> Option<Arc<dyn Subscriber>> {
        let mut state = self.state.lock();
        state.held.clear();
        match std::mem::replace(&mut state.phase, Phase::Stopped) {
            Phase::Started(subscriber) => Some(subscriber),
            Phase::New | Phase::Stopped => None,
        }
    }

    pub(super) fn check_usable(&self) -> Result<(), BackplaneError> {
        let state = self.state.lock();
        match state.phase {
            Phase::New => Err(BackplaneError::NotStarted),
            Phase::Stopped => Err(BackplaneError::Stopped),
            Phase::Started(_) if state.is_cut => Err(BackplaneError::Unavailable(None)),
            Phase::Started(_) => Ok(()),
        }
    }

    pub(super) fn is_started(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Started(_))
    }

    pub(super) fn set_cut(&self, is_cut: bool) {
        self.state.lock().is_cut = is_cut;
    }

    pub(super) fn hold(&self) {
        self.state.lock().is_held = true;
    }

    /// Delivers what was held back. The node counts as held until all of it is delivered, so that nothing
    /// overtakes it.
    pub(super) fn release(&self) {
        loop {
            let mut state = self.state.lock();
            let next = state.held.pop_front();
            let (Phase::Started(subscriber), Some((topic, envelope))) = (&state.phase, next) else {
                state.is_held = false;
                return;
            };
            let subscriber = Arc::clone(subscriber);
            drop(state);
            subscriber.deliver(&topic, envelope);
        }
    }

    /// Delivers an envelope, or holds it back. Returns false if it is lost. No lock is held while the
    /// subscriber runs: it may publish in turn.
    pub(super) fn deliver(&self, topic: &Topic, envelope: &Bytes) -> bool {
        let mut state = self.state.lock();
        let Phase::Started(subscriber) = &state.phase else { return false };
        if state.is_cut {
            return false;
        }
        if state.is_held {
            state.held.push_back((topic.clone(), envelope.clone()));
            return true;
        }
        let subscriber = Arc::clone(subscriber);
        drop(state);
        subscriber.deliver(topic, envelope.clone());
        true
    }
}
