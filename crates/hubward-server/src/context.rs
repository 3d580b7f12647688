//! What the hubs of one node share: its id, the way to the other nodes, the group store, and where tasks run. It
//! knows no hub, so that a hub can hold it without the node being held by its own hubs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hubward_backplane::{
    Backplane, Body, BoxFuture, ClientResultOutcome, Envelope, Epoch, GroupStore, InMemoryStore,
    MAX_ENVELOPE_BYTES, NodeInfo, NodeLoad, NodeRegistry, Owner, Topic,
};
use hubward_hub::{SendError, Sending};
use hubward_transport::{CloseWindow, ConnectionManager, DrainSignals, LogLimit, PeerClient, PeerDirectory};
use hubward_types::{HubName, NodeId, TraceContext, brief_causes};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bounded;
use crate::bounded::backplane::BoundedBackplane;
use crate::bounded::group_store::BoundedStore;
use crate::bounded::node_registry::BoundedRegistry;
use crate::cluster::draining_peers::DrainingPeers;
use crate::cluster::link::NodeLink;
use crate::cluster::owners::Owners;
use crate::cluster::peers::{Directory, Peers};
use crate::cluster::pending::PendingReplies;
use crate::connection::runtime::ConnectionRuntime;
use crate::connection::wake_portions::WakePortions;
use crate::delivery::message_id::SenderKey;
use crate::delivery::sends::Sends;
use crate::delivery::subscriptions::Subscriptions;
use crate::drain::progress::{DrainPhase, DrainProgress};
use crate::handover::calls::HandoverPeers;
use crate::handover::markers::Markers;
use crate::lives::last_heartbeat::LastHeartbeat;

/// The records that the nodes of a cluster share.
#[derive(Clone)]
pub struct NodeStores {
    /// Who is in which group, and which node holds which connection.
    pub groups: Arc<dyn GroupStore>,
    /// Which nodes live.
    pub nodes: Arc<dyn NodeRegistry>,
}

/// The parts of a node that all of its hubs use.
pub struct NodeContext {
    pub(crate) id: NodeId,
    pub(crate) sender_key: SenderKey,
    pub(crate) sends: Sends,
    /// `None` where there can be no other node: then nothing is encoded for others, and nothing is subscribed to.
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
    pub(crate) store: Arc<dyn GroupStore>,
    /// `None` where the store is this node's alone.
    pub(crate) registry: Option<Arc<dyn NodeRegistry>>,
    /// Where other nodes reach this one, where they need to.
    address: OnceLock<String>,
    /// How many connections the node had when that was counted last, for its heartbeats.
    connections: AtomicU64,
    /// This node in its present life.
    owner: watch::Sender<Owner>,
    pub(crate) link: NodeLink,
    pub(crate) peers: Arc<Peers>,
    pub(crate) draining_peers: Arc<DrainingPeers>,
    /// The way to the other nodes, where there is one.
    peer_client: OnceLock<PeerClient>,
    pub(crate) markers: Markers,
    /// The connections of the node, and how other nodes are called that take them over; absent where none can move.
    moving: OnceLock<(Arc<ConnectionManager>, HandoverPeers)>,
    pub(crate) owners: Owners,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: ConnectionRuntime,
    pub(crate) wake_portions: Arc<WakePortions>,
    pub(crate) shutdown: CancellationToken,
    /// Cancelled when no more connections begin, which is at the shutdown at the latest.
    pub(crate) refusing: CancellationToken,
    /// When connections without a hub close.
    pub(crate) close_window: CloseWindow,
    /// How far the node's drain is.
    pub(crate) progress: DrainProgress,
    pub(crate) pending: PendingReplies,
    pub(crate) last_heartbeat: LastHeartbeat,
    /// Notified when the others may have taken this node for dead.
    pub(crate) taken_for_dead: Arc<Notify>,
    /// Notified when another node has left or died.
    pub(crate) others_died: Arc<Notify>,
    /// How many ends of other nodes are logged: whoever can publish can forge them.
    pub(crate) logged_ends: LogLimit<()>,
    next_key: AtomicU64,
}

impl NodeContext {
    /// Makes the context. It does no I/O. `stores` default to a group store in memory, which is this node's alone.
    pub fn new(id: NodeId, backplane: Option<Arc<dyn Backplane>>, stores: Option<NodeStores>) -> Arc<Self> {
        let (store, registry) = match stores {
            Some(NodeStores { groups, nodes }) => (
                Arc::new(BoundedStore(groups)) as Arc<dyn GroupStore>,
                Some(Arc::new(BoundedRegistry(nodes)) as Arc<dyn NodeRegistry>),
            ),
            None => (Arc::new(InMemoryStore::new()) as Arc<dyn GroupStore>, None),
        };
        let backplane = backplane.map(|inner| Arc::new(BoundedBackplane(inner)) as Arc<dyn Backplane>);
        let (tasks, runtime) = (TaskTracker::new(), ConnectionRuntime::default());
        let shutdown = CancellationToken::new();
        let logged_ends = LogLimit::new(tasks.clone(), shutdown.clone());
        Arc::new(Self {
            owner: watch::Sender::new(Owner::alone(id.clone())),
            address: OnceLock::new(),
            connections: AtomicU64::new(0),
            sender_key: SenderKey::of(&id),
            sends: Sends::new(),
            id,
            subscriptions: Subscriptions::new(backplane.clone()),
            backplane,
            store,
            registry,
            link: NodeLink::default(),
            peers: Arc::default(),
            draining_peers: Arc::default(),
            peer_client: OnceLock::new(),
            markers: Markers::default(),
            moving: OnceLock::new(),
            owners: Owners::default(),
            wake_portions: WakePortions::new(tasks.clone(), runtime.clone()),
            runtime,
            tasks,
            refusing: shutdown.child_token(),
            shutdown,
            close_window: CloseWindow::default(),
            progress: DrainProgress::new(),
            pending: PendingReplies::default(),
            last_heartbeat: LastHeartbeat::new(),
            taken_for_dead: Arc::default(),
            others_died: Arc::default(),
            logged_ends,
            next_key: AtomicU64::new(1),
        })
    }

    /// Returns the node's id.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Returns where the node's tasks run; closed and awaited by [`Node::shut_down`](crate::Node::shut_down).
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Returns what the node's connections are notified of while it drains.
    pub fn drain_signals(&self) -> DrainSignals {
        let (refusing, closing) = (self.refusing.clone(), self.shutdown.clone());
        DrainSignals { refusing, window: self.close_window.clone(), closing }
    }

    /// Whether another node lives and is not about to leave, as far as this one knows: only such a node is sent new connections
    /// and sessions.
    pub fn peer_stays(&self, node: &NodeId) -> bool {
        self.peers.contains(node) && !self.draining_peers.contains(node)
    }

    /// Returns the node in its present life, for what it records.
    pub(crate) fn owner(&self) -> Owner {
        self.owner.borrow().clone()
    }

    /// Whether the node has been announced to the others, where it has to be.
    pub(crate) fn is_announced(&self) -> bool {
        self.registry.is_none() || self.owner.borrow().epoch != Epoch::ALONE
    }

    /// Notes that the node has begun another life.
    pub(crate) fn set_owner(&self, owner: Owner) {
        self.owner.send_replace(owner);
    }

    /// Waits until the node has begun another life than this one, which the store says has ended.
    pub(crate) async fn another_life(&self, ended: &Owner) {
        let mut owner = self.owner.subscribe();
        if *owner.borrow() == *ended {
            self.taken_for_dead.notify_one();
        }
        // The sender lives as long as this is borrowed.
        let _ = owner.wait_for(|owner| owner != ended).await;
    }

    /// Whether the node has sent no heartbeat for so long that the others may have taken it for dead, without having asked
    /// whether they have.
    pub(crate) fn was_paused(&self) -> bool {
        self.registry.as_ref().is_some_and(|registry| self.last_heartbeat.is_older_than(registry.lease()))
    }

    /// The backplane, unless it is certain that no other node listens.
    pub(crate) fn other_nodes(&self) -> Option<&Arc<dyn Backplane>> {
        self.backplane.as_ref().filter(|backplane| !backplane.is_alone())
    }

    pub(crate) fn envelope(&self, trace: Option<&TraceContext>, body: Body) -> Bytes {
        self.numbered_envelope(trace, None, body)
    }

    /// The envelope of a message to a topic, which has a number.
    pub(crate) fn numbered_envelope(
        &self,
        trace: Option<&TraceContext>,
        number: Option<u64>,
        body: Body,
    ) -> Bytes {
        Envelope { sender: self.id.clone(), trace: trace.cloned(), number, body }.encode()
    }

    /// Publishes one envelope on topics. Its place in the order is that of the call.
    pub(crate) fn publish(
        &self,
        backplane: &Arc<dyn Backplane>,
        topics: Vec<Topic>,
        trace: Option<&TraceContext>,
        body: Body,
    ) -> BoxFuture<'static, Result<(), SendError>> {
        let published = backplane.publish(topics, self.envelope(trace, body));
        Box::pin(async { bounded::backplane::published(published).await.map_err(backplane_failed) })
    }

    /// Sends a reply, or something else that nobody waits for, to another node.
    pub(crate) fn notify(&self, node: NodeId, body: Body) {
        let Some(backplane) = &self.backplane else { return };
        let client_result = match body {
            Body::ClientResult { id, .. } => Some(id),
            _ => None,
        };
        let mut envelope = self.envelope(None, body);
        // The other node waits for it, and would not know why nothing comes.
        if let Some(id) = client_result.filter(|_| envelope.len() > MAX_ENVELOPE_BYTES) {
            let error =
                format!("the client's result of {} bytes is too large for another node", envelope.len());
            let outcome = ClientResultOutcome::Error(error);
            envelope = self.envelope(None, Body::ClientResult { id, outcome });
        }
        drop(backplane.publish(vec![Topic::Node(node)], envelope));
    }

    /// Runs a task that others may wait for, where it comes to its end whatever its caller does.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match self.runtime.driven() {
            Some(runtime) => self.tasks.spawn_on(task, &runtime),
            None => self.tasks.spawn(task),
        }
    }

    /// Runs something to its end, whether or not the returned [`Sending`] is awaited.
    pub(crate) fn run(&self, run: impl Future<Output = Result<(), SendError>> + Send + 'static) -> Sending {
        let running = self.spawn(run);
        Sending::later(Box::pin(async { running.await.unwrap_or_else(|error| Err(backplane_failed(error))) }))
    }

    /// Runs something to its end, whether or not its caller waits for it. It begins at once, so that what takes turns does so
    /// in the order of the calls.
    ///
    /// # Errors
    /// It panicked, or its runtime ended: it may have had its effect or not.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        run: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let mut running = Box::pin(run);
        let begun = Future::poll(running.as_mut(), &mut Context::from_waker(Waker::noop()));
        match begun {
            Poll::Ready(done) => Ok(done),
            Poll::Pending => self.spawn(running).await,
        }
    }

    /// Sets what connections move by. Once set, it stays.
    pub(crate) fn set_moving(&self, connections: Arc<ConnectionManager>, peers: HandoverPeers) {
        let _ = self.moving.set((connections, peers));
    }

    /// The connections of the node by their ids, where they can move.
    pub(crate) fn connections(&self) -> Option<&Arc<ConnectionManager>> {
        self.moving.get().map(|(connections, _)| connections)
    }

    /// How other nodes are called that take connections over, where these can move.
    pub(crate) fn handover_peers(&self) -> Option<HandoverPeers> {
        self.moving.get().map(|(_, peers)| peers.clone())
    }

    /// Sets where other nodes reach this one. Once set, it stays.
    pub fn set_address(&self, address: String) {
        let _ = self.address.set(address);
    }

    /// Returns where the other nodes are reached; `None` where there can be none.
    pub fn directory(&self) -> Option<Arc<dyn PeerDirectory>> {
        self.registry.as_ref()?;
        Some(Arc::new(Directory { peers: self.peers.clone(), draining: self.draining_peers.clone() }))
    }

    /// Sets the way to the other nodes. Once set, it stays.
    pub fn set_peer_client(&self, client: PeerClient) {
        let _ = self.peer_client.set(client);
    }

    /// Returns the way to the other nodes, where there is one.
    pub fn peer_client(&self) -> Option<&PeerClient> {
        self.peer_client.get()
    }

    /// What the node announces, with these hubs.
    pub(crate) fn info(&self, hubs: &[HubName]) -> NodeInfo {
        NodeInfo { id: self.id.clone(), address: self.address.get().cloned(), hubs: hubs.to_vec() }
    }

    /// Notes how many connections the node has.
    pub(crate) fn count_connections(&self, connections: usize) {
        self.connections.store(connections as u64, Ordering::Relaxed);
    }

    /// How busy the node was when that was noted last, and whether it drains.
    pub(crate) fn load(&self) -> NodeLoad {
        let draining = self.progress.phase() > DrainPhase::Serving;
        NodeLoad::new(self.connections.load(Ordering::Relaxed)).draining(draining)
    }

    /// Returns a number that no other connection of this node has.
    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }
}

pub(crate) fn backplane_failed(error: impl std::error::Error + 'static) -> SendError {
    not_sent(brief_causes(&error))
}

pub(crate) fn not_sent(reason: impl std::fmt::Display) -> SendError {
    SendError::Backplane { reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hubward_hub::Hub;

    use super::*;
    use crate::testing::cluster::TestNode;

    const BODY: Body = Body::Resumed;

    /// Publishes on the topics of two groups.
    fn publish_two(node: &TestNode) -> BoxFuture<'static, Result<(), SendError>> {
        let context = &node.engine.context;
        let topics = vec![node.group_topic("a"), node.group_topic("b")];
        context.publish(context.backplane.as_ref().unwrap(), topics, None, BODY)
    }

    #[tokio::test]
    async fn all_topics_are_published_on_when_it_is_called_awaited_or_not() {
        let node = TestNode::start(Hub::new("hub")).await;
        node.backplane.publishing.hold();
        drop(publish_two(&node));
        assert_eq!(node.backplane.take_calls(), ["publish group a, group b"]);
        let mut publishing = publish_two(&node);
        assert!((&mut publishing).now_or_never().is_none());
        node.backplane.publishing.release();
        publishing.await.unwrap();
    }

    #[tokio::test]
    async fn a_backplane_that_fails_is_an_error() {
        let node = TestNode::start(Hub::new("hub")).await;
        node.backplane.publishing.set_failing(true);
        assert!(matches!(publish_two(&node).await, Err(SendError::Backplane { .. })));
    }

    #[tokio::test]
    async fn there_are_other_nodes_only_while_another_one_listens() {
        let (node, other) = TestNode::start_two(|| Hub::new("hub")).await;
        assert!(node.engine.context.other_nodes().is_some());
        other.node.shut_down().await;
        assert!(node.engine.context.other_nodes().is_none());
    }

    #[tokio::test]
    async fn an_envelope_names_the_node_that_sends_it() {
        let context = NodeContext::new("node-7".into(), None, None);
        let envelope = Envelope::decode(&context.envelope(None, BODY)).unwrap();
        assert_eq!(envelope, Envelope { sender: "node-7".into(), trace: None, number: None, body: BODY });
        assert_ne!(context.next_key(), context.next_key());
    }
}
