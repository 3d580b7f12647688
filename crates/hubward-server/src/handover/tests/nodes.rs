//! Nodes in memory that hand sessions over to each other, with a wire between them that a test can fail, and clients that come back
//! wherever their session is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hubward_auth::KeyRing;
use hubward_backplane::InMemoryNetwork;
use hubward_hub::{EncodeCall, Hub, HubContext};
use hubward_proto::{EncodeError, Frame, Protocol, encode};
use hubward_transport::testing::Resumption;
use hubward_types::{NodeId, Principal, Target};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connection::moving::take;
use crate::delivery::router;
use crate::handover::calls::{CallError, HandoverCall, HandoverPeers, HandoverTransport, Seals};
use crate::handover::leaving::Leaving;
use crate::handover::parking::unpark;
use crate::handover::room::Room;
use crate::handover::service::HandoverService;
use crate::handover::taking::Taking;
use crate::handover::wire::{Adopt, AdoptOutcome, BatchId, Prepare, Unanswered};
use crate::handover::{HandedOver, hand_over_all};
use crate::testing::client::{Next, TestClient};
use crate::testing::cluster::TestNode;
use crate::testing::faulty_store::FaultyStore;
use crate::testing::moving_node::MovingNode;

/// One node's end of the wire.
pub(super) struct WireEnd {
    wire: Arc<Wire>,
    node: NodeId,
}

/// The wire between nodes.
#[derive(Default)]
pub(super) struct Wire {
    services: Mutex<HashMap<NodeId, HandoverService>>,
    faults: Mutex<HashMap<HandoverCall, WireFault>>,
}

/// What happens to calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WireFault {
    /// They are not sent.
    NotSent,
    /// They have their effect, and their answers are lost.
    AnswerLost,
    /// They are lost, and nobody knows.
    Lost,
    /// They come twice.
    Twice,
}

impl Wire {
    pub(super) fn fail(&self, method: HandoverCall, fault: WireFault) {
        self.faults.lock().insert(method, fault);
    }

    pub(super) fn heal(&self) {
        self.faults.lock().clear();
    }

    /// The node is gone.
    pub(super) fn remove(&self, node: &str) {
        self.services.lock().remove(&NodeId::from(node));
    }
}

impl HandoverTransport for WireEnd {
    fn call(
        &self,
        node: &NodeId,
        method: HandoverCall,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let node = node.clone();
        Box::pin(async move {
            let wire = &self.wire;
            let fault = wire.faults.lock().get(&method).copied();
            let service = wire.services.lock().get(&node).cloned();
            let service = service.ok_or_else(|| CallError::NotSent("no such node".to_owned()))?;
            match fault {
                Some(WireFault::NotSent) => return Err(CallError::NotSent("a fault".to_owned())),
                Some(WireFault::Lost) => return Err(CallError::NoAnswer("a fault".to_owned())),
                Some(WireFault::Twice) => _ = service.answer(&self.node, method.path(), body.clone()).await,
                Some(WireFault::AnswerLost) | None => {}
            }
            let answer =
                tokio::time::timeout(deadline, service.answer(&self.node, method.path(), body)).await;
            let answer = answer.map_err(|_| CallError::NoAnswer("too slow".to_owned()))?;
            match answer {
                Ok(_) if fault == Some(WireFault::AnswerLost) => {
                    Err(CallError::NoAnswer("a fault".to_owned()))
                }
                Ok(answer) => Ok(answer),
                Err(Unanswered::Unclear) => Err(CallError::NoAnswer("unclear".to_owned())),
                Err(refused) => Err(CallError::Refused(format!("{refused:?}"))),
            }
        })
    }
}

/// Several nodes.
pub(super) struct Nodes {
    pub(super) wire: Arc<Wire>,
    pub(super) store: Arc<FaultyStore>,
    pub(super) network: InMemoryNetwork,
    pub(super) nodes: Vec<HandoverNode>,
    keys: KeyRing,
}

pub(super) struct HandoverNode {
    pub(super) node: TestNode,
    pub(super) moving: MovingNode,
    pub(super) taking: Arc<Taking>,
}

/// The hub of these nodes.
pub(super) fn hub() -> Hub {
    Hub::new("hub").method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
}

impl Nodes {
    /// Nodes `n1`, `n2`…
    pub(super) async fn start(count: usize) -> Self {
        Self::start_with(count, hub, || Arc::new(Room::default())).await
    }

    pub(super) async fn start_with(
        count: usize,
        hub: impl Fn() -> Hub,
        room: impl Fn() -> Arc<Room>,
    ) -> Self {
        let (wire, store, network) = (Arc::<Wire>::default(), FaultyStore::new(), InMemoryNetwork::new());
        let mut nodes = Self { wire, store, network, nodes: Vec::new(), keys: KeyRing::random() };
        for _ in 0..count {
            nodes.add(hub(), room()).await;
        }
        nodes
    }

    /// Starts one more node.
    pub(super) async fn add(&mut self, hub: Hub, room: Arc<Room>) {
        let number = self.nodes.len() + 1;
        let Self { wire, store, network, keys, .. } = &*self;
        {
            let id = format!("n{number}");
            let node = TestNode::new(network.clone(), &id, store.clone(), hub);
            let context = node.engine.context.clone();
            context.set_address("memory".to_owned());
            let moving = MovingNode::of(node.engine.clone());
            let end = WireEnd { wire: wire.clone(), node: id.as_str().into() };
            let seals = Seals::new(keys.clone(), id.as_str().into());
            context.set_moving(moving.manager().clone(), HandoverPeers::new(seals.clone(), Arc::new(end)));
            let taking = Taking::new(&context, [&node.engine], room);
            wire.services.lock().insert(id.as_str().into(), HandoverService::of(taking.clone(), seals));
            node.node.start().await.unwrap();
            self.nodes.push(HandoverNode { node, moving, taking });
        }
    }

    /// Has a node hand over all of its sessions, as its drain does.
    pub(super) async fn drain(&self, node: usize) -> HandedOver {
        let engine = &self.nodes[node].node.engine;
        let context = &engine.context;
        context.refusing.cancel();
        hand_over_all(context, std::slice::from_ref(engine), Instant::now() + Duration::from_secs(4)).await
    }

    /// Where the connection of an id can be resumed: the number of the node.
    pub(super) fn holder(&self, id: &str) -> Option<(usize, Resumption)> {
        self.nodes
            .iter()
            .enumerate()
            .find_map(|(number, node)| Some((number, Resumption::find(node.moving.manager(), &id.into())?)))
    }

    /// Which node the store says holds a connection.
    pub(super) async fn recorded(&self, id: &str) -> Option<String> {
        use hubward_backplane::GroupStore;
        let owner = self.store.inner.owner(&"hub".into(), &id.into()).await.unwrap();
        owner.map(|owner| owner.node.to_string())
    }

    /// Has a node take a parked session of `alice`. Returns whether it has it.
    pub(super) async fn unpark(&self, node: usize, id: &str) -> bool {
        let engine = &self.nodes[node].node.engine;
        unpark(engine, &id.into(), Some(&"alice".into()), SystemTime::now()).await
    }

    /// The seals of the first node.
    pub(super) fn seals(&self) -> Seals {
        Seals::new(self.keys.clone(), "n1".into())
    }

    /// Sends text to a target from a node.
    pub(super) fn send(&self, node: usize, target: &Target, text: &str) {
        drop(router::send(&self.nodes[node].node.engine, target, &TextCall(text.to_owned()), None));
    }
}

/// A call of the client method `M` with a text.
struct TextCall(String);

impl EncodeCall for TextCall {
    fn method(&self) -> &str {
        "M"
    }

    fn encode(&self, protocol: Protocol, id: Option<&str>) -> Result<Frame, EncodeError> {
        encode::invocation(protocol, id, "M", &(&self.0,))
    }
}

/// A client that comes back wherever its session is, and notes what it gets, each message once.
pub(super) struct ReturningClient {
    id: String,
    client: TestClient,
    /// The number of the last message that it has received.
    received: u64,
    /// The number of the last message that it has sent.
    sent: u64,
    /// The number of the next message that comes.
    next: u64,
    /// How often it came back.
    pub(super) returns: usize,
    /// Why the session was lost, where it was.
    pub(super) end: String,
}

impl ReturningClient {
    pub(super) async fn connect(nodes: &Nodes, node: usize, id: &str, user: &str) -> Self {
        let principal = Principal::builder().user_id(user).build();
        let (client, _) = nodes.nodes[node].moving.connect(id, principal).await;
        Self { id: id.to_owned(), client, received: 0, sent: 0, next: 1, returns: 0, end: String::new() }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Calls a method of the hub, whose completion is awaited.
    pub(super) async fn call(&mut self, nodes: &Nodes, method: &str, argument: &str) -> Value {
        self.sent += 1;
        self.client.invoke("call", method, json!([argument])).await;
        loop {
            if let Some(message) = self.message(nodes).await
                && message["type"] == 3
            {
                return message;
            }
        }
    }

    /// Returns the next text; `None` where the session was lost.
    pub(super) async fn text(&mut self, nodes: &Nodes) -> Option<String> {
        loop {
            let message = self.message(nodes).await?;
            if message["type"] == 1 {
                return message["arguments"][0].as_str().map(str::to_owned);
            }
        }
    }

    /// Returns the next message that counts; `None` where the session was lost.
    async fn message(&mut self, nodes: &Nodes) -> Option<Value> {
        loop {
            let message = match self.client.next().await {
                Next::Message(message) => message,
                Next::Lost => {
                    self.come_back(nodes).await?;
                    continue;
                }
                Next::Closed(code) => {
                    self.end = format!("closed with {code}");
                    return None;
                }
            };
            match message["type"].as_u64() {
                Some(7) => {
                    self.end = message.to_string();
                    return None;
                }
                Some(9) => self.next = message["sequenceId"].as_u64().unwrap(),
                Some(8) => {}
                _ => {
                    let number = self.next;
                    self.next += 1;
                    if number <= self.received {
                        continue;
                    }
                    assert_eq!(number, self.received + 1, "a message is missing");
                    self.received = number;
                    if number.is_multiple_of(16) {
                        self.client.send(&json!({ "type": 8, "sequenceId": number })).await;
                    }
                    return Some(message);
                }
            }
        }
    }

    async fn come_back(&mut self, nodes: &Nodes) -> Option<()> {
        let Some((node, resumption)) = nodes.holder(&self.id) else {
            self.end = "no node has it".to_owned();
            return None;
        };
        self.client = nodes.nodes[node].moving.resume(&resumption);
        self.client.send(&json!({ "type": 9, "sequenceId": self.sent + 1 })).await;
        self.client.send(&json!({ "type": 8, "sequenceId": self.received })).await;
        self.returns += 1;
        Some(())
    }
}

impl Nodes {
    /// Takes a session of the first node.
    pub(super) async fn take(&self, id: &str) -> Leaving {
        let first = &self.nodes[0];
        let handle = first.moving.handle(id);
        // Its record is there before its on_connected has ended.
        let taken = loop {
            match take(&handle, Instant::now()).await {
                Ok(taken) => break taken,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        Leaving::new(first.node.engine.clone(), handle, taken)
    }

    /// Has the second and the third node take one session of the first at once. Returns which of them has it.
    pub(super) async fn race(&self, id: &str) -> [bool; 2] {
        let engine = &self.nodes[0].node.engine;
        let leaving = self.take(id).await;
        leaving.handle.mailbox.record().unwrap();
        let (batch, offer) = (BatchId::new(), leaving.offer().unwrap());
        let prepare = Prepare::new(batch.clone(), &engine.context.owner(), 1, vec![offer]);
        let takers = [&self.nodes[1].taking, &self.nodes[2].taking];
        for taking in takers {
            assert_eq!(taking.prepare(prepare.clone()).await.unwrap().refusal(0), None);
        }
        let content = leaving.cut(&"n2".into(), 0).unwrap();
        let adopt = Adopt { batch, sessions: vec![content] };
        let spawn = |taking: &Arc<Taking>| {
            let (taking, adopt) = (taking.clone(), adopt.clone());
            engine.context.spawn(async move { taking.adopt(adopt).await.unwrap().outcome(0) })
        };
        let (second, third) = (spawn(takers[0]), spawn(takers[1]));
        let outcomes = [second.await.unwrap(), third.await.unwrap()];
        let winner = outcomes.iter().position(|outcome| *outcome == AdoptOutcome::Adopted).unwrap();
        leaving.let_go(self.nodes[winner + 1].node.node.id());
        outcomes.map(|outcome| outcome == AdoptOutcome::Adopted)
    }
}
