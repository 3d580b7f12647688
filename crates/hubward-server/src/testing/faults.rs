//! A backplane and a store that a test can fail or hold up, each around the in-memory form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hubward_backplane::{
    Backplane, BackplaneError, Cursor, GroupStore, HeldConnection, InMemoryBackplane, InMemoryNetwork,
    InMemoryStore, Member, OpenConnection, OpenedConnection, Order, Owner, Page, StoreError, Subscriber,
    Topic, UserChange, UserMembership,
};
use hubward_types::{ConnectionId, GroupName, HubName, UserId};
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

/// A group store whose changes can be failed or held up, and whose queries can be failed.
#[derive(Default)]
pub(crate) struct FaultyStore {
    pub(crate) inner: InMemoryStore,
    pub(crate) changing: Fault,
    pub(crate) querying: Fault,
    /// Held up, calls have their effect, and their replies are late.
    pub(crate) replying: Fault,
}

impl FaultyStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Runs a call when it is let through.
    fn call<'a, T: Send + 'a>(
        &'a self,
        fault: &'a Fault,
        run: impl FnOnce(&'a InMemoryStore) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            if fault.pass().await {
                return Err(StoreError::Unavailable(None));
            }
            let result = run(&self.inner).await;
            let lost = fault.loses_replies.load(Ordering::SeqCst) | self.replying.pass().await;
            if lost { Err(StoreError::Unavailable(None)) } else { result }
        })
    }
}

impl GroupStore for FaultyStore {
    fn open_connection(
        &self,
        opening: OpenConnection,
    ) -> BoxFuture<'_, Result<OpenedConnection, StoreError>> {
        self.call(&self.changing, move |store| store.open_connection(opening))
    }

    fn owner(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Option<Owner>, StoreError>> {
        let (hub, connection) = (hub.clone(), connection.clone());
        self.call(&self.querying, move |store| store.owner(&hub, &connection))
    }

    fn add_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, connection, owner) = (hub.clone(), group.clone(), connection.clone(), owner.clone());
        self.call(&self.changing, move |store| store.add_connection(&hub, &group, &connection, &owner))
    }

    fn remove_connection(
        &self,
        hub: &HubName,
        group: &GroupName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, group, connection, owner) = (hub.clone(), group.clone(), connection.clone(), owner.clone());
        self.call(&self.changing, move |store| store.remove_connection(&hub, &group, &connection, &owner))
    }

    fn end_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
        owner: &Owner,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (hub, connection, owner) = (hub.clone(), connection.clone(), owner.clone());
        self.call(&self.changing, move |store| store.end_connection(&hub, &connection, &owner))
    }

    fn restore(
        &self,
        owner: &Owner,
        connections: Vec<HeldConnection>,
    ) -> BoxFuture<'_, Result<Vec<(HubName, ConnectionId)>, StoreError>> {
        let owner = owner.clone();
        self.call(&self.changing, move |store| store.restore(&owner, connections))
    }

    fn add_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
        ttl: Option<Duration>,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.changing, move |store| store.add_user(&hub, &group, &user, ttl))
    }

    fn remove_user(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<UserChange, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.changing, move |store| store.remove_user(&hub, &group, &user))
    }

    fn user_membership(
        &self,
        hub: &HubName,
        group: &GroupName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Option<UserMembership>, StoreError>> {
        let (hub, group, user) = (hub.clone(), group.clone(), user.clone());
        self.call(&self.querying, move |store| store.user_membership(&hub, &group, &user))
    }

    fn groups_of_users(
        &self,
        hub: &HubName,
        users: Vec<UserId>,
    ) -> BoxFuture<'_, Result<Vec<Vec<UserMembership>>, StoreError>> {
        let hub = hub.clone();
        self.call(&self.querying, move |store| store.groups_of_users(&hub, users))
    }

    fn groups_of_connection(
        &self,
        hub: &HubName,
        connection: &ConnectionId,
    ) -> BoxFuture<'_, Result<Vec<GroupName>, StoreError>> {
        let (hub, connection) = (hub.clone(), connection.clone());
        self.call(&self.querying, move |store| store.groups_of_connection(&hub, &connection))
    }

    fn groups_of_user(
        &self,
        hub: &HubName,
        user: &UserId,
    ) -> BoxFuture<'_, Result<Vec<UserMembership>, StoreError>> {
        let (hub, user) = (hub.clone(), user.clone());
        self.call(&self.querying, move |store| store.groups_of_user(&hub, &user))
    }

    fn members(
        &self,
        hub: &HubName,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (hub, group) = (hub.clone(), group.clone());
        self.call(&self.querying, move |store| store.members(&hub, &group, cursor, limit))
    }

    fn count(&self, hub: &HubName, group: &GroupName) -> BoxFuture<'_, Result<u64, StoreError>> {
        let (hub, group) = (hub.clone(), group.clone());
        self.call(&self.querying, move |store| store.count(&hub, &group))
    }

    fn contains(
        &self,
        hub: &HubName,
        group: &GroupName,
        member: &Member,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (hub, group, member) = (hub.clone(), group.clone(), member.clone());
        self.call(&self.querying, move |store| store.contains(&hub, &group, &member))
    }
}
