//! A node of the suite: a backplane with a subscriber that records what it receives, in order.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hubward_types::NodeId;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::backplane::{Backplane, BackplaneError, ReceivedEnvelope, Subscriber};
use crate::conformance::wait::TIMEOUT;
use crate::topic::Topic;

/// A network that the suite runs on, and what it needs to be done to it.
pub trait TestNetwork: Send + Sync {
    /// Makes the backplane of a node, not started; all backplanes of one network reach each other, and no others.
    fn backplane(&self, node: NodeId) -> Arc<dyn Backplane>;
    /// Interrupts a node's link, so that it neither receives nor sends until it is resumed. Also before it is started.
    fn interrupt<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()>;
    /// Lets a node's link resume.
    fn resume<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()>;
    /// Holds back what the message broker sends to a node, with the confirmations of its subscriptions, until it is
    /// released. What the node sends is not held back.
    fn hold<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()>;
    /// Delivers what was held back, unless the link was interrupted meanwhile, and holds nothing back from now on.
    fn release<'a>(&'a self, node: &'a NodeId) -> BoxFuture<'a, ()>;
    /// Lets subscriptions to one topic fail, of every node.
    fn refuse(&self, topic: Topic) -> BoxFuture<'_, ()>;
}

/// The hub of all topics of the suite.
pub(super) const HUB: &str = "clinical";

/// A backplane that was started, and what was received from it.
pub struct RecordingNode {
    pub backplane: Arc<dyn Backplane>,
    received: Mutex<UnboundedReceiver<SubscriberEvent>>,
}

/// What a subscriber is called with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubscriberEvent {
    Received(Topic, Bytes),
    Interrupted,
    Resumed,
}

/// The end of a [`RecordingNode`] that a backplane delivers to.
pub struct RecordingSubscriber(UnboundedSender<SubscriberEvent>);

impl RecordingSubscriber {
    pub fn new(tx: UnboundedSender<SubscriberEvent>) -> Self {
        Self(tx)
    }
}

impl RecordingNode {
    /// Starts a backplane and records from then on.
    pub async fn start(backplane: Arc<dyn Backplane>) -> Self {
        let (node, subscriber) = Self::new(backplane);
        node.backplane.start(subscriber).await.expect("the backplane starts");
        node
    }

    /// Makes one whose backplane is not started yet, and the subscriber to start it with.
    pub fn new(backplane: Arc<dyn Backplane>) -> (Self, Arc<dyn Subscriber>) {
        let (tx, rx) = unbounded_channel();
        (Self { backplane, received: Mutex::new(rx) }, Arc::new(RecordingSubscriber::new(tx)))
    }

    /// Returns what the subscriber was called with next.
    pub async fn next_event(&self) -> SubscriberEvent {
        let mut received = self.received.lock().await;
        timeout(TIMEOUT, received.recv())
            .await
            .expect("an envelope is received")
            .expect("the backplane is alive")
    }

    /// Returns the next envelope that was received.
    pub async fn next(&self) -> (Topic, Bytes) {
        match self.next_event().await {
            SubscriberEvent::Received(topic, envelope) => (topic, envelope),
            other => panic!("an envelope was expected, not {other:?}"),
        }
    }

    /// Checks that this is the next envelope that is received.
    pub async fn expect(&self, topic: &Topic, envelope: impl Into<Bytes>) {
        assert_eq!(self.next().await, (topic.clone(), envelope.into()));
    }

    /// Returns whether every envelope that was received has been read.
    pub async fn is_drained(&self) -> bool {
        self.received.lock().await.is_empty()
    }

    pub async fn try_subscribe(&self, topic: &Topic) -> Result<(), BackplaneError> {
        let mut results = self.backplane.subscribe(vec![topic.clone()]).await;
        assert_eq!(results.len(), 1, "one result for one topic");
        results.remove(0)
    }

    pub async fn subscribe(&self, topic: &Topic) {
        self.try_subscribe(topic).await.expect("the topic is subscribed to");
    }

    pub async fn unsubscribe(&self, topic: &Topic) {
        self.backplane.unsubscribe(vec![topic.clone()]).await;
    }

    pub async fn publish(&self, topic: &Topic, envelope: impl Into<Bytes>) {
        let published = self.backplane.publish(vec![topic.clone()], envelope.into()).await;
        published.expect("the envelope is sent");
    }
}

impl RecordingSubscriber {
    fn record(&self, event: SubscriberEvent) {
        // The node may be dropped before its backplane.
        let _ = self.0.send(event);
    }
}

impl Subscriber for RecordingSubscriber {
    fn deliver(&self, batch: &[ReceivedEnvelope]) {
        assert!(!batch.is_empty(), "nothing was delivered");
        for ReceivedEnvelope { topic, envelope } in batch {
            self.record(SubscriberEvent::Received(topic.clone(), envelope.clone()));
        }
    }

    fn interrupted(&self, reason: &str) {
        assert!(!reason.is_empty(), "an operator is to know the reason");
        self.record(SubscriberEvent::Interrupted);
    }

    fn resumed(&self) {
        self.record(SubscriberEvent::Resumed);
    }
}

pub(super) fn ward(name: impl ToString) -> Topic {
    Topic::Group(HUB.into(), name.to_string().into())
}

pub(super) fn fence() -> Topic {
    Topic::All(HUB.into())
}

pub(super) async fn start(new: &dyn TestNetwork, node: &str) -> RecordingNode {
    RecordingNode::start(new.backplane(node.into())).await
}

/// Starts two nodes, the second of which is subscribed to the fence.
pub(super) async fn two(new: &dyn TestNetwork) -> (RecordingNode, RecordingNode) {
    let (here, there) = (start(new, "here").await, start(new, "there").await);
    there.subscribe(&fence()).await;
    (here, there)
}

/// Checks that nothing was on its way from `here` to `there`, which is subscribed to the fence: it would have
/// arrived before what is published now.
pub(super) async fn check_nothing_came(here: &RecordingNode, there: &RecordingNode) {
    here.publish(&fence(), "fence").await;
    there.expect(&fence(), "fence").await;
}
