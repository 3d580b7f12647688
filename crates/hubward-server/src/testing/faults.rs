//! Faults that a test sets, and a backplane with them around the in-memory form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hubward_backplane::{
    Backplane, BackplaneError, InMemoryBackplane, InMemoryNetwork, Order, Subscriber, Topic,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Lets calls through, holds them up, or lets them fail.
pub(crate) struct Fault {
    fails: AtomicBool,
    panics: AtomicBool,
    loses_replies: AtomicBool,
    /// How often a call lets other tasks run before it is let through.
    yields: AtomicUsize,
    gate: Semaphore,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            loses_replies: AtomicBool::new(false),
            yields: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

impl Fault {
    /// From now on calls fail, or no longer.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// From now on calls panic, or no longer.
    pub(crate) fn set_panicking(&self, panics: bool) {
        self.panics.store(panics, Ordering::SeqCst);
    }

    /// From now on calls have their effect and fail all the same, or no longer.
    pub(crate) fn set_losing_replies(&self, loses: bool) {
        self.loses_replies.store(loses, Ordering::SeqCst);
    }

    /// From now on each call lets other tasks run this often before it has its effect.
    pub(crate) fn set_yields(&self, yields: usize) {
        self.yields.store(yields, Ordering::SeqCst);
    }

    /// From now on calls wait until [`Fault::release`].
    pub(crate) fn hold(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets all calls through, those that wait first.
    pub(crate) fn release(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS - self.gate.available_permits());
    }

    /// Waits while it holds; true where the call is to fail.
    pub(crate) async fn pass(&self) -> bool {
        for _ in 0..self.yields.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        drop(self.gate.acquire().await.expect("the gate is never closed"));
        assert!(!self.panics.load(Ordering::SeqCst), "a test's panic");
        self.fails()
    }

    pub(crate) fn loses_reply(&self) -> bool {
        self.loses_replies.load(Ordering::SeqCst)
    }

    fn fails(&self) -> bool {
        self.fails.load(Ordering::SeqCst)
    }
}

/// A backplane that records what is subscribed to and published. Subscribing can be failed or held up; publishing can
/// be failed, and its confirmation held up.
pub(crate) struct FaultyBackplane {
    inner: InMemoryBackplane,
    pub(crate) subscribing: Arc<Fault>,
    pub(crate) publishing: Arc<Fault>,
    /// Whether it keeps the order on each topic only.
    pub(crate) per_topic: AtomicBool,
    /// Every call in order, such as `subscribe Group(…)`.
    calls: Mutex<Vec<String>>,
}

impl FaultyBackplane {
    pub(crate) fn new(network: &InMemoryNetwork, node: &str) -> Arc<Self> {
        let inner = network.backplane(node.into());
        Arc::new(Self {
            inner,
            subscribing: Arc::default(),
            publishing: Arc::default(),
            per_topic: AtomicBool::new(false),
            calls: Mutex::default(),
        })
    }

    /// Takes the calls since the last time.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock())
    }

    fn record(&self, call: &str, topics: &[Topic]) {
        let name = |topic: &Topic| match topic {
            Topic::All(_) => "all".to_owned(),
            Topic::Group(_, group) => format!("group {group}"),
            Topic::User(_, user) => format!("user {user}"),
            Topic::Node(id) => format!("node {id}"),
            Topic::Nodes => "nodes".to_owned(),
        };
        let topics: Vec<_> = topics.iter().map(name).collect();
        self.calls.lock().push(format!("{call} {}", topics.join(", ")));
    }
}

impl Backplane for FaultyBackplane {
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        self.inner.start(subscriber)
    }

    fn subscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, Vec<Result<(), BackplaneError>>> {
        self.record("subscribe", &topics);
        if self.subscribing.fails() {
            let failed = topics.iter().map(|_| Err(BackplaneError::Unavailable(None))).collect();
            return Box::pin(async { failed });
        }
        let (subscribed, fault) = (self.inner.subscribe(topics), self.subscribing.clone());
        Box::pin(async move {
            let results = subscribed.await;
            if fault.pass().await {
                return results.iter().map(|_| Err(BackplaneError::Unavailable(None))).collect();
            }
            results
        })
    }

    fn unsubscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, ()> {
        self.record("unsubscribe", &topics);
        self.inner.unsubscribe(topics)
    }

    fn publish(&self, topics: Vec<Topic>, envelope: Bytes) -> BoxFuture<'static, Result<(), BackplaneError>> {
        self.record("publish", &topics);
        if self.publishing.fails() {
            return Box::pin(async { Err(BackplaneError::Unavailable(None)) });
        }
        let (published, fault) = (self.inner.publish(topics, envelope), self.publishing.clone());
        Box::pin(async move {
            fault.pass().await;
            published.await
        })
    }

    fn order(&self) -> Order {
        if self.per_topic.load(Ordering::SeqCst) { Order::PerTopic } else { self.inner.order() }
    }

    fn is_alone(&self) -> bool {
        self.inner.is_alone()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.inner.stop()
    }
}
