//! A node of the suite: a backplane with a subscriber that records what it receives, in order.

use std::sync::Arc;

use bytes::Bytes;
use hubward_types::NodeId;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::backplane::{Backplane, Subscriber};
use crate::conformance::wait::TIMEOUT;
use crate::topic::Topic;

/// Makes the backplane of a node, not started; all backplanes of one fixture reach each other.
pub type NewBackplane = dyn Fn(NodeId) -> Arc<dyn Backplane> + Send + Sync;

/// The hub of all topics of the suite.
pub(super) const HUB: &str = "clinical";

/// A backplane that was started, and what was received from it.
pub struct RecordingNode {
    pub backplane: Arc<dyn Backplane>,
    received: Mutex<UnboundedReceiver<(Topic, Bytes)>>,
}

/// The end of a [`RecordingNode`] that a backplane delivers to.
pub struct RecordingSubscriber(UnboundedSender<(Topic, Bytes)>);

impl RecordingSubscriber {
    pub fn new(tx: UnboundedSender<(Topic, Bytes)>) -> Self {
        Self(tx)
    }
}

impl RecordingNode {
    /// Starts a backplane and records from then on.
    pub async fn start(backplane: Arc<dyn Backplane>) -> Self {
        let (tx, rx) = unbounded_channel();
        backplane.start(Arc::new(RecordingSubscriber::new(tx))).await.expect("the backplane starts");
        Self { backplane, received: Mutex::new(rx) }
    }

    /// Returns the next envelope that was received.
    pub async fn next(&self) -> (Topic, Bytes) {
        let mut received = self.received.lock().await;
        timeout(TIMEOUT, received.recv())
            .await
            .expect("an envelope is received")
            .expect("the backplane is alive")
    }

    /// Checks that this is the next envelope that is received.
    pub async fn expect(&self, topic: &Topic, envelope: impl Into<Bytes>) {
        assert_eq!(self.next().await, (topic.clone(), envelope.into()));
    }

    /// Returns whether every envelope that was received has been read.
    pub async fn is_drained(&self) -> bool {
        self.received.lock().await.is_empty()
    }

    pub async fn subscribe(&self, topic: &Topic) {
        self.backplane.subscribe(topic.clone()).await.expect("the topic is subscribed to");
    }

    pub async fn unsubscribe(&self, topic: &Topic) {
        self.backplane.unsubscribe(topic.clone()).await.expect("the topic is unsubscribed from");
    }

    pub async fn publish(&self, topic: &Topic, envelope: impl Into<Bytes>) -> Option<usize> {
        self.backplane.publish(topic, envelope.into()).await.expect("the envelope is sent")
    }
}

impl Subscriber for RecordingSubscriber {
    fn deliver(&self, topic: &Topic, envelope: Bytes) {
        // The node may be dropped before its backplane.
        let _ = self.0.send((topic.clone(), envelope));
    }
}

pub(super) fn ward(name: impl ToString) -> Topic {
    Topic::Group(HUB.into(), name.to_string().into())
}

pub(super) fn fence() -> Topic {
    Topic::All(HUB.into())
}

pub(super) async fn start(new: &NewBackplane, node: &str) -> RecordingNode {
    RecordingNode::start(new(node.into())).await
}

/// Starts two nodes, the second of which is subscribed to the fence.
pub(super) async fn two(new: &NewBackplane) -> (RecordingNode, RecordingNode) {
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
