//! What the hubs of one node share: its id, the way to the other nodes, the group store, and where tasks run. It
//! knows no hub, so that a hub can hold it without the node being held by its own hubs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hubward_backplane::{Backplane, Body, Envelope, GroupStore, InMemoryGroupStore, Topic};
use hubward_hub::{SendError, Sending};
use hubward_types::NodeId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cluster::pending::PendingReplies;
use crate::delivery::subscriptions::Subscriptions;

/// The parts of a node that all of its hubs use.
pub struct NodeContext {
    pub(crate) id: NodeId,
    /// `None` where there can be no other node: then nothing is encoded for others, and nothing is subscribed to.
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
    pub(crate) store: Arc<dyn GroupStore>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) pending: PendingReplies,
    next_key: AtomicU64,
}

impl NodeContext {
    /// Makes the context. It does no I/O. `store` defaults to one in memory.
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
            pending: PendingReplies::default(),
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

    /// Returns the token that is cancelled when a graceful shutdown begins.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// The backplane, unless it is certain that no other node listens.
    pub(crate) fn other_nodes(&self) -> Option<&Arc<dyn Backplane>> {
        self.backplane.as_ref().filter(|backplane| !backplane.is_alone())
    }

    pub(crate) fn envelope(&self, body: Body) -> Bytes {
        Envelope { sender: self.id.clone(), body }.encode()
    }

    /// Publishes one envelope to each topic. The first is published at once, so that its place in the order is that
    /// of the call; the rest, if there is any, is published when the returned future is awaited.
    pub(crate) fn publish(&self, backplane: &Arc<dyn Backplane>, topics: Vec<Topic>, body: Body) -> Sending {
        if topics.is_empty() {
            return Sending::done(Ok(()));
        }
        let (backplane, envelope) = (backplane.clone(), self.envelope(body));
        let mut publishing = Box::pin(async move {
            for topic in &topics {
                backplane.publish(topic, envelope.clone()).await.map_err(backplane_failed)?;
            }
            Ok(())
        });
        match Future::poll(publishing.as_mut(), &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Sending::done(result),
            Poll::Pending => Sending::later(publishing),
        }
    }

    /// Returns a number that no other connection of this node has.
    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }
}

pub(crate) fn backplane_failed(error: impl std::fmt::Display) -> SendError {
    SendError::Backplane { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hubward_hub::Hub;

    use super::*;
    use crate::testing::cluster::TestNode;

    const BODY: Body = Body::Abort {};

    /// Publishes on the topics of two groups.
    fn publish_two(node: &TestNode) -> Sending {
        let context = &node.engine.context;
        let topics = vec![node.group_topic("a"), node.group_topic("b")];
        context.publish(context.backplane.as_ref().unwrap(), topics, BODY)
    }

    #[tokio::test]
    async fn the_first_topic_is_published_on_when_it_is_called_and_the_rest_when_it_is_awaited() {
        let node = TestNode::start(Hub::new("hub")).await;
        node.backplane.publishing.hold();
        let mut sending = publish_two(&node);
        assert_eq!(node.backplane.take_calls(), ["publish group a"]);
        assert!((&mut sending).now_or_never().is_none());
        assert!(node.backplane.take_calls().is_empty());
        node.backplane.publishing.release();
        sending.await.unwrap();
        assert_eq!(node.backplane.take_calls(), ["publish group b"]);
    }

    #[tokio::test]
    async fn a_backplane_that_fails_is_an_error_also_where_it_fails_later() {
        let node = TestNode::start(Hub::new("hub")).await;
        node.backplane.publishing.hold();
        let sending = publish_two(&node);
        node.backplane.publishing.set_failing(true);
        node.backplane.publishing.release();
        assert!(matches!(sending.await, Err(SendError::Backplane { .. })));
        assert!(matches!(publish_two(&node).await, Err(SendError::Backplane { .. })));
    }

    #[tokio::test]
    async fn an_envelope_for_no_topic_is_not_published() {
        let node = TestNode::start(Hub::new("hub")).await;
        let context = &node.engine.context;
        context.publish(context.backplane.as_ref().unwrap(), Vec::new(), BODY).await.unwrap();
        assert!(node.backplane.take_calls().is_empty());
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
        let envelope = Envelope::decode(&context.envelope(BODY)).unwrap();
        assert_eq!(envelope, Envelope { sender: "node-7".into(), body: BODY });
        assert_ne!(context.next_key(), context.next_key());
    }
}
