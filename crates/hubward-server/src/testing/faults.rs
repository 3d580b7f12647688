//! A backplane and a group store that a test can fail or hold up, each around the in-memory form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hubward_backplane::{
    Backplane, BackplaneError, Cursor, GroupStore, InMemoryBackplane, InMemoryGroupStore, InMemoryNetwork,
    Member, Page, StoreError, Subscriber, Topic, UserMembership,
};
use hubward_types::{ConnectionId, GroupName, HubName, NodeId, UserId};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Lets calls through, holds them up, or lets them fail.
pub(crate) struct Fault {
    fails: AtomicBool,
    gate: Semaphore,
}

impl Default for Fault {
    fn default() -> Self {
        Self { fails: AtomicBool::new(false), gate: Semaphore::new(Semaphore::MAX_PERMITS) }
    }
}

impl Fault {
    /// From now on calls fail, or no longer.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
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
    async fn pass(&self) -> bool {
        drop(self.gate.acquire().await.expect("the gate is never closed"));
        self.fails()
    }

    fn fails(&self) -> bool {
        self.fails.load(Ordering::SeqCst)
    }
}

/// A backplane that records what is subscribed to and published. Subscribing can be failed or held up; publishing can
/// be failed, and its confirmation held up.
pub(crate) struct FaultyBackplane {
    inner: InMemoryBackplane,
    pub(crate) subscribing: Fault,
    pub(crate) publishing: Fault,
    /// Every call in order, such as `subscribe Group(…)`.
    calls: Mutex<Vec<String>>,
}

impl FaultyBackplane {
    pub(crate) fn new(network: &InMemoryNetwork, node: &str) -> Arc<Self> {
        let inner = network.backplane(node.into());
        Arc::new(Self {
            inner,
            subscribing: Fault::default(),
            publishing: Fault::default(),
            calls: Mutex::default(),
        })
    }

    /// Takes the calls since the last time.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock())
    }

    fn record(&self, call: &str, topic: &Topic) {
        let topic = match topic {
            Topic::All(_) => "all".to_owned(),
            Topic::Group(_, group) => format!("group {group}"),
            Topic::User(_, user) => format!("user {user}"),
            Topic::Connection(_, id) => format!("connection {id}"),
            Topic::Node(id) => format!("node {id}"),
        };
        self.calls.lock().push(format!("{call} {topic}"));
    }
}

impl Backplane for FaultyBackplane {
    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        self.inner.start(subscriber)
    }

    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>> {
        self.record("subscribe", &topic);
        Box::pin(async move {
            if self.subscribing.pass().await {
                return Err(BackplaneError::Unavailable(None));
            }
            self.inner.subscribe(topic).await
        })
    }

    fn unsubscribe(&self, topic: Topic) -> BoxFuture<'_, Result<(), BackplaneError>> {
        self.record("unsubscribe", &topic);
        self.inner.unsubscribe(topic)
    }

    fn publish(
        &self,
        topic: &Topic,
        envelope: Bytes,
    ) -> BoxFuture<'_, Result<Option<usize>, BackplaneError>> {
        self.record("publish", topic);
        if self.publishing.fails() {
            return Box::pin(async { Err(BackplaneError::Unavailable(None)) });
        }
        let published = self.inner.publish(topic, envelope);
        Box::pin(async move {
            self.publishing.pass().await;
            published.await
        })
    }

    fn is_alone(&self) -> bool {
        self.inner.is_alone()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.inner.stop()
    }
}

/// A group store whose changes can be failed or held up, and whose queries can be failed.
#[derive(Default)]
pub(crate) struct FaultyStore {
    inner: InMemoryGroupStore,
    pub(crate) changing: Fault,
    pub(crate) querying: Fault,
}

impl FaultyStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Runs a change when it is let through.
    fn change<'a, T: Send + 'a>(
        &'a self,
        fault: &'a Fault,
        run: impl FnOnce(&'a InMemoryGroupStore) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            if fault.pass().await {
                return Err(StoreError::Unavailable(None));
            }
            run(&self.inner).await
        })
    }
}

impl GroupStore for FaultyStore {
    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        node: &NodeId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, connection, node) = (hub.clone(), group.clone(), connection.clone(), node.clone());
        self.change(&self.changing, move |store| store.add_connection(&hub, &group, &connection, &node))
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, connection) = (hub.clone(), group.clone(), connection.clone());
        self.change(&self.changing, move |store| store.remove_connection(&hub, &group, &connection))
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, connection) = (hub.clone(), connection.clone());
        self.change(&self.changing, move |store| store.end_connection(&hub, &connection))
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.change(&self.changing, move |store| store.add_user(&hub, &group, &user, ttl))
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.change(&self.changing, move |store| store.remove_user(&hub, &group, &user))
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let (hub, connection) = (hub.clone(), connection.clone());
        self.change(&self.querying, move |store| store.groups_of_connection(&hub, &connection))
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        let (hub, user) = (hub.clone(), user.clone());
        self.change(&self.querying, move |store| store.groups_of_user(&hub, &user))
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (hub, group) = (hub.clone(), group.clone());
        self.change(&self.querying, move |store| store.members(&hub, &group, cursor, limit))
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let (hub, group) = (hub.clone(), group.clone());
        self.change(&self.querying, move |store| store.count(&hub, &group))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (hub, group, member) = (hub.clone(), group.clone(), member.clone());
        self.change(&self.querying, move |store| store.contains(&hub, &group, &member))
    }

    fn end_node(&self, node: &NodeId) -> BoxFuture<'_, Result<(), StoreError>> {
        let node = node.clone();
        self.change(&self.changing, move |store| store.end_node(&node))
    }
}
