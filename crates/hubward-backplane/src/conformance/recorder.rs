//! A node of the suites: a link with an inbox that keeps what comes, in order, to be read one by one.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::PATIENCE;
use crate::{Backplane, Subscriber, Topic};

/// A link that was started, and what came over it.
pub struct Recorder {
    pub link: Arc<dyn Backplane>,
    received: Mutex<UnboundedReceiver<(Topic, Bytes)>>,
}

/// The end of a [`Recorder`] that a backplane delivers to.
pub struct RecordingSubscriber(UnboundedSender<(Topic, Bytes)>);

impl RecordingSubscriber {
    pub fn new(tx: UnboundedSender<(Topic, Bytes)>) -> Self {
        Self(tx)
    }
}

impl Recorder {
    /// Starts a link and records from then on.
    pub async fn start(link: Arc<dyn Backplane>) -> Self {
        let (tx, rx) = unbounded_channel();
        link.start(Arc::new(RecordingSubscriber::new(tx))).await.expect("the link starts");
        Self { link, received: Mutex::new(rx) }
    }

    /// Returns the next that came.
    pub async fn next(&self) -> (Topic, Bytes) {
        let mut received = self.received.lock().await;
        timeout(PATIENCE, received.recv()).await.expect("an envelope comes").expect("the link is alive")
    }

    /// Checks that the next that comes is this.
    pub async fn expect(&self, topic: &Topic, envelope: impl Into<Bytes>) {
        assert_eq!(self.next().await, (topic.clone(), envelope.into()));
    }

    /// Tells whether nothing has come that was not read.
    pub async fn is_drained(&self) -> bool {
        self.received.lock().await.is_empty()
    }

    pub async fn subscribe(&self, topic: &Topic) {
        self.link.subscribe(topic.clone()).await.expect("the subscription holds");
    }

    pub async fn unsubscribe(&self, topic: &Topic) {
        self.link.unsubscribe(topic.clone()).await.expect("the subscription ends");
    }

    pub async fn publish(&self, topic: &Topic, envelope: impl Into<Bytes>) -> Option<usize> {
        self.link.publish(topic, envelope.into()).await.expect("the envelope is sent")
    }
}

impl Subscriber for RecordingSubscriber {
    fn deliver(&self, topic: &Topic, envelope: Bytes) {
        // The recorder may be gone while its link is still being dropped.
        let _ = self.0.send((topic.clone(), envelope));
    }
}
