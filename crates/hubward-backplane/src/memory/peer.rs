//! One node of an in-memory network: its subscriptions, and whether what is published to it is delivered,
//! held back or lost.

use std::collections::HashSet;
use std::sync::Arc;

use hubward_types::NodeId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::backplane::{BackplaneError, ReceivedEnvelope, Subscriber};
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
    is_interrupted: bool,
    is_held: bool,
    /// What was published while the node was held, in order. Without bound, since only tests hold a node.
    held: Vec<ReceivedEnvelope>,
    /// What is to be delivered, in order: without bound, since whoever publishes delivers it, or waits for nobody who does.
    queue: Vec<ReceivedEnvelope>,
    /// Whether a thread delivers, and so will find what is put into the queue.
    is_delivering: bool,
    /// Subscriptions that were made while the node was held: each is confirmed when its sender is dropped.
    unconfirmed: Vec<oneshot::Sender<()>>,
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
            Phase::New if state.is_interrupted => Err(BackplaneError::Unavailable(None)),
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
        state.queue.clear();
        state.unconfirmed.clear();
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
            Phase::Started(_) if state.is_interrupted => Err(BackplaneError::Unavailable(None)),
            Phase::Started(_) => Ok(()),
        }
    }

    pub(super) fn is_started(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Started(_))
    }

    /// The subscriber is notified first, so that it knows why its calls fail.
    pub(super) fn interrupt(&self) {
        let subscriber = match &*self.state.lock() {
            State { phase: Phase::Started(subscriber), is_interrupted: false, .. } => {
                Some(subscriber.clone())
            }
            _ => None,
        };
        if let Some(subscriber) = subscriber {
            subscriber.interrupted("a test has interrupted it");
        }
        self.set_interrupted(true);
    }

    pub(super) fn resume(&self) {
        if let Some(subscriber) = self.set_interrupted(false) {
            subscriber.resumed();
        }
    }

    /// Returns what a subscription waits for while the node is held.
    pub(super) fn confirmation(&self) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        state.is_held.then(|| {
            let (unconfirmed, confirmation) = oneshot::channel();
            state.unconfirmed.push(unconfirmed);
            confirmation
        })
    }

    /// Returns whom to notify of a change.
    fn set_interrupted(&self, is_interrupted: bool) -> Option<Arc<dyn Subscriber>> {
        let mut state = self.state.lock();
        let changed = std::mem::replace(&mut state.is_interrupted, is_interrupted) != is_interrupted;
        if is_interrupted {
            // It was on its way, and is lost like what is published from now on.
            state.held.clear();
            state.queue.clear();
            state.unconfirmed.clear();
        }
        match &state.phase {
            Phase::Started(subscriber) if changed => Some(Arc::clone(subscriber)),
            _ => None,
        }
    }

    pub(super) fn hold(&self) {
        self.state.lock().is_held = true;
    }

    /// Delivers what was held back, in its place before everything that is published from now on.
    pub(super) fn release(&self) {
        let mut state = self.state.lock();
        let held = std::mem::take(&mut state.held);
        state.queue.extend(held);
        state.is_held = false;
        state.unconfirmed.clear();
        drop(state);
        self.deliver();
    }

    /// Puts envelopes into the queue, or holds them back.
    pub(super) fn put(&self, batch: Vec<ReceivedEnvelope>) {
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Started(_) if !state.is_interrupted => {}
            _ => return,
        }
        if state.is_held { state.held.extend(batch) } else { state.queue.extend(batch) }
    }

    /// Delivers what is in the queue, unless another thread does. No lock is held while the subscriber runs: it may publish in
    /// turn, also to this node.
    pub(super) fn deliver(&self) {
        loop {
            let mut state = self.state.lock();
            let Phase::Started(subscriber) = &state.phase else { return };
            if state.is_delivering || state.queue.is_empty() {
                return;
            }
            let subscriber = Arc::clone(subscriber);
            let batch = std::mem::take(&mut state.queue);
            state.is_delivering = true;
            drop(state);
            let delivering = Delivering(self);
            subscriber.deliver(&batch);
            drop(delivering);
        }
    }
}

/// A thread that delivers. It stops also where the subscriber panics.
struct Delivering<'a>(&'a Peer);

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        self.0.state.lock().is_delivering = false;
    }
}
