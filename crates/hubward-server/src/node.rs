//! A node: what all hubs of a process share, and where envelopes of other nodes come in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use hubward_backplane::{
    AnswerOutcome, Backplane, BackplaneError, Body, Envelope, GroupStore, InMemoryGroupStore, Inbox, Topic,
};
use hubward_types::{HubName, NodeId};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::subscriptions::Subscriptions;
use crate::hub::Engine;

/// What the hubs of one node share.
pub struct Node {
    pub(crate) id: NodeId,
    /// None where the node is alone: then nothing is encoded for others, and nothing subscribed to.
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
    pub(crate) store: Arc<dyn GroupStore>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) waiting: Waiting,
    engines: OnceLock<HashMap<HubName, Arc<Engine>>>,
    started: AtomicBool,
    keys: AtomicU64,
}

impl Node {
    /// Makes a node. It does nothing yet, and reaches no other: see [`Node::start`].
    pub fn new(
        id: NodeId,
        backplane: Option<Arc<dyn Backplane>>,
        store: Option<Arc<dyn GroupStore>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            subscriptions: Subscriptions::new(backplane.clone()),
            backplane,
            store: store.unwrap_or_else(|| Arc::new(InMemoryGroupStore::new())),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            waiting: Waiting::default(),
            engines: OnceLock::new(),
            started: AtomicBool::new(false),
            keys: AtomicU64::new(1),
        })
    }

    /// The node's name.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Where the node's tasks run; closed and waited for by [`Node::shut_down`].
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Cancelled when the node begins to leave.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Sets the hubs, once, before the node starts.
    pub fn set_engines(&self, engines: impl IntoIterator<Item = Arc<Engine>>) {
        let by_name = engines.into_iter().map(|engine| (engine.name().clone(), engine)).collect();
        if self.engines.set(by_name).is_err() {
            tracing::warn!("The hubs of a node were set twice; the first ones stay.");
        }
    }

    pub(crate) fn engine(&self, hub: &HubName) -> Option<&Arc<Engine>> {
        self.engines.get()?.get(hub)
    }

    /// Joins the other nodes. A node without a backplane is ready as it is.
    ///
    /// # Errors
    /// What the backplane says; the node is then not joined, and may be started again.
    pub async fn start(self: &Arc<Self>) -> Result<(), BackplaneError> {
        let Some(backplane) = &self.backplane else { return Ok(()) };
        if self.started.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let start = async {
            backplane.start(Arc::new(Incoming(Arc::downgrade(self)))).await?;
            backplane.subscribe(Topic::Node(self.id.clone())).await?;
            for hub in self.engines.get().into_iter().flat_map(HashMap::keys) {
                backplane.subscribe(Topic::All(hub.clone())).await?;
            }
            Ok(())
        };
        let started = start.await;
        if started.is_err() {
            self.started.store(false, Ordering::SeqCst);
        }
        started
    }

    /// Leaves: closes every connection with word that it may reconnect, waits for what is running, and parts
    /// from the other nodes. Bounded by what the caller puts around it.
    pub async fn shut_down(&self) {
        self.shutdown.cancel();
        for engine in self.engines.get().into_iter().flat_map(HashMap::values) {
            engine.close_all();
        }
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(backplane) = &self.backplane {
            backplane.stop().await;
        }
    }

    /// A number that no other connection of this node has.
    pub(crate) fn next_key(&self) -> u64 {
        self.keys.fetch_add(1, Ordering::Relaxed)
    }
}

/// Envelopes of other nodes, handed to the hub that they are for. It holds the node weakly: the backplane, which
/// holds this, belongs to the node.
struct Incoming(Weak<Node>);

impl Inbox for Incoming {
    fn deliver(&self, topic: &Topic, envelope: Bytes) {
        let Some(node) = self.0.upgrade() else { return };
        let envelope = match Envelope::decode(&envelope) {
            Ok(envelope) => envelope,
            Err(error) if error.is_from_the_future() => {
                tracing::debug!(%error, "An envelope of a later version was skipped.");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "An envelope could not be read and was dropped.");
                return;
            }
        };
        if envelope.sender == node.id {
            return;
        }
        match topic.hub() {
            Some(hub) => match node.engine(hub) {
                Some(engine) => engine.clone().receive(topic, envelope),
                None => {
                    tracing::debug!(%hub, "An envelope for a hub that this node does not have was dropped.")
                }
            },
            None => node.waiting.settle(envelope.body),
        }
    }
}

/// Questions to other nodes that wait for their answer, by number.
#[derive(Default)]
pub(crate) struct Waiting {
    next: AtomicU64,
    answers: Mutex<HashMap<u64, oneshot::Sender<AnswerOutcome>>>,
    confirmations: Mutex<HashMap<u64, oneshot::Sender<Option<String>>>>,
}

impl Waiting {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for an answer; stops when the ticket is dropped.
    pub(crate) fn for_answer(self: &Waiting) -> (u64, oneshot::Receiver<AnswerOutcome>) {
        let (id, (tx, rx)) = (self.number(), oneshot::channel());
        self.answers.lock().insert(id, tx);
        (id, rx)
    }

    /// Waits for a confirmation.
    pub(crate) fn for_confirmation(&self) -> (u64, oneshot::Receiver<Option<String>>) {
        let (id, (tx, rx)) = (self.number(), oneshot::channel());
        self.confirmations.lock().insert(id, tx);
        (id, rx)
    }

    /// Stops waiting.
    pub(crate) fn forget(&self, id: u64) {
        self.answers.lock().remove(&id);
        self.confirmations.lock().remove(&id);
    }

    fn settle(&self, body: Body) {
        // Whoever waited may have stopped meanwhile; then nobody misses it.
        match body {
            Body::Answer { id, outcome } => {
                let waiting = self.answers.lock().remove(&id);
                let _ = waiting.map(|waiting| waiting.send(outcome));
            }
            Body::Done { id, error } => {
                let waiting = self.confirmations.lock().remove(&id);
                let _ = waiting.map(|waiting| waiting.send(error));
            }
            _ => tracing::debug!("An envelope to this node says nothing that a node is told."),
        }
    }
}
