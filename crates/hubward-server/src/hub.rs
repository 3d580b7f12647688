//! A hub on a node: its definition, who is connected, and the way of a message from a hub method to its
//! recipients. Local ones get it at once; one envelope per topic carries it to the other nodes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hubward_auth::Policy;
use hubward_backplane::{Backplane, Body, Envelope, Topic};
use hubward_hub::{
    Answer, AskError, BoxFuture, Cursor, EncodeCall, GroupError, GroupMember, GroupPage, HubDefinition,
    HubEngine, HubHandle, SendError, Sending,
};
use hubward_types::{ConnectionId, GroupName, HubName, Principal, Target, UserId};

use crate::cluster::client_results::Asked;
use crate::cluster::{client_results, membership};
use crate::connection::close_reason::CloseReason;
use crate::connection::handle::Link;
use crate::connection::mailbox::MailboxLimits;
use crate::connection::session_config::Sessions;
use crate::connection::wake_batch::WakeBatch;
use crate::delivery::encoded::LazyFrames;
use crate::delivery::exclusions::Except;
use crate::delivery::index::Index;
use crate::node::Node;

/// A hub on this node.
pub struct Engine {
    pub(crate) definition: HubDefinition,
    /// The policies of methods that have any.
    policies: HashMap<Arc<str>, Vec<Policy>>,
    pub(crate) index: Index,
    pub(crate) node: Arc<Node>,
    pub(crate) asks: AtomicU64,
    pub(crate) asked: Asked,
    pub(crate) sessions: Sessions,
}

/// A policy that a hub names and nobody has defined.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("hub '{hub}' needs the policy '{policy}', which is not defined; add it to the builder's policies")]
pub struct UnknownPolicy {
    /// The hub.
    pub hub: String,
    /// The policy's name.
    pub policy: String,
}

impl Engine {
    /// Makes the engine of a hub. `policy` finds policies by name.
    ///
    /// # Errors
    /// [`UnknownPolicy`]: a method that cannot be guarded must not run.
    pub fn new(
        definition: HubDefinition,
        node: Arc<Node>,
        policy: impl Fn(&str) -> Option<Policy>,
    ) -> Result<Arc<Self>, UnknownPolicy> {
        let mut by_method = HashMap::new();
        for entry in definition.methods().filter(|entry| !entry.policies.is_empty()) {
            let mut policies = Vec::new();
            for name in &entry.policies {
                let unknown = || UnknownPolicy { hub: definition.name.to_string(), policy: name.clone() };
                policies.push(policy(name).ok_or_else(unknown)?);
            }
            by_method.insert(entry.name.clone(), policies);
        }
        let sessions = Sessions::new(&definition.options);
        Ok(Arc::new(Self {
            sessions,
            definition,
            policies: by_method,
            index: Index::new(),
            node,
            asks: AtomicU64::new(0),
            asked: Asked::default(),
        }))
    }

    /// The hub's name.
    pub fn name(&self) -> &HubName {
        &self.definition.name
    }

    /// Connections of this hub on this node.
    pub fn connection_count(&self) -> usize {
        self.index.len()
    }

    /// Speaks to the hub's clients from anywhere in the program.
    pub fn handle(self: &Arc<Self>) -> HubHandle {
        HubHandle::new(self.clone().shared())
    }

    pub(crate) fn shared(self: Arc<Self>) -> Arc<dyn HubEngine> {
        Arc::new(Shared(self))
    }

    pub(crate) fn close_all(&self) {
        let _batch = WakeBatch::open();
        self.index.for_all(|link| link.close(CloseReason::Shutdown));
    }

    pub(crate) fn may_call(&self, method: &str, principal: &Principal) -> bool {
        self.policies.get(method).is_none_or(|policies| {
            policies.iter().all(|policy| policy.check(principal) == hubward_auth::Decision::Allowed)
        })
    }

    pub(crate) fn mailbox_limits(&self) -> MailboxLimits {
        let options = &self.definition.options;
        MailboxLimits { messages: options.mailbox_messages, bytes: options.mailbox_bytes }
    }

    /// An invocation id for a question to a client. Nodes may ask the same client, so it names the node.
    pub(crate) fn next_ask_id(&self) -> String {
        format!("{}-{}", self.node.id, self.asks.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The backplane, unless it is certain that nobody else listens.
    pub(crate) fn others(&self) -> Option<&Arc<dyn Backplane>> {
        self.node.backplane.as_ref().filter(|backplane| !backplane.is_alone())
    }

    pub(crate) fn envelope(&self, body: Body) -> Bytes {
        Envelope { sender: self.node.id.clone(), body }.encode()
    }

    /// Connections and users that are named twice get a message once, groups twice: as in ASP.NET Core.
    fn deliver(&self, target: &Target, frames: &LazyFrames<'_>) {
        let _batch = WakeBatch::open();
        let push = |link: &Arc<Link>| {
            if let Some(frame) = frames.get(link.protocol) {
                link.mailbox.push(frame.clone());
            }
        };
        let push_unless = |link: &Arc<Link>, except: &Except<'_>| {
            if !except.contains(&link.id) {
                push(link);
            }
        };
        match target {
            Target::All => self.index.for_all(push),
            Target::AllExcept(except) => {
                let except = Except::new(except);
                self.index.for_all(|link| push_unless(link, &except));
            }
            Target::Connections(ids) => {
                distinct(ids).filter_map(|id| self.index.connection(id)).for_each(|link| push(&link));
            }
            Target::Group(group) => self.index.for_group(group, push),
            Target::Groups(groups) => groups.iter().for_each(|group| self.index.for_group(group, push)),
            Target::GroupExcept(group, except) => {
                let except = Except::new(except);
                self.index.for_group(group, |link| push_unless(link, &except));
            }
            Target::Users(users) => distinct(users).for_each(|user| self.index.for_user(user, push)),
        }
    }

    fn publish(&self, backplane: &Arc<dyn Backplane>, target: &Target, frames: &LazyFrames<'_>) -> Sending {
        let hub = self.name();
        let topics: Vec<Topic> = match target {
            Target::All | Target::AllExcept(_) => vec![Topic::All(hub.clone())],
            Target::Connections(ids) => {
                let elsewhere = distinct(ids).filter(|id| self.index.connection(id).is_none());
                elsewhere.map(|id| Topic::Connection(hub.clone(), id.clone())).collect()
            }
            Target::Group(group) | Target::GroupExcept(group, _) => {
                vec![Topic::Group(hub.clone(), group.clone())]
            }
            Target::Groups(groups) => groups.iter().map(|g| Topic::Group(hub.clone(), g.clone())).collect(),
            Target::Users(users) => {
                distinct(users).map(|user| Topic::User(hub.clone(), user.clone())).collect()
            }
        };
        let except = match target {
            Target::AllExcept(except) | Target::GroupExcept(_, except) => except.clone(),
            _ => Vec::new(),
        };
        if topics.is_empty() {
            return Sending::done(Ok(()));
        }
        let envelope = self.envelope(Body::Deliver { frames: frames.all(), except });
        let backplane = backplane.clone();
        passed_on(Box::pin(async move {
            for topic in &topics {
                backplane.publish(topic, envelope.clone()).await.map_err(backplane_failed)?;
            }
            Ok(())
        }))
    }
}

/// Leaves out what came before in a list.
fn distinct<T: Eq + std::hash::Hash>(items: &[T]) -> impl Iterator<Item = &T> {
    let mut seen = HashSet::new();
    let several = items.len() > 1;
    items.iter().filter(move |item| !several || seen.insert(*item))
}

/// Begins to pass a message on at once, so that its place in the order is that of the call, and leaves the rest,
/// if there is any, to whoever awaits it.
fn passed_on(mut rest: BoxFuture<Result<(), SendError>>) -> Sending {
    match rest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Sending::done(result),
        Poll::Pending => Sending::later(rest),
    }
}

pub(crate) fn backplane_failed(error: impl std::fmt::Display) -> SendError {
    SendError::Backplane { reason: error.to_string() }
}

/// The engine as hub code holds it. A type of its own, because what it does for a connection of this node needs
/// the `Arc`.
struct Shared(Arc<Engine>);

impl HubEngine for Shared {
    fn hub(&self) -> &HubName {
        self.0.name()
    }

    fn send(&self, target: &Target, call: &dyn EncodeCall) -> Sending {
        let frames = LazyFrames::new(call);
        self.0.deliver(target, &frames);
        let sending = self.0.others().map(|backplane| self.0.publish(backplane, target, &frames));
        match frames.finish() {
            Err(error) => Sending::done(Err(error)),
            Ok(()) => sending.unwrap_or_else(|| Sending::done(Ok(()))),
        }
    }

    fn ask(&self, connection: &ConnectionId, call: &dyn EncodeCall) -> BoxFuture<Result<Answer, AskError>> {
        client_results::ask(&self.0, connection, call)
    }

    fn abort(&self, connection: &ConnectionId) -> Sending {
        if let Some(link) = self.0.index.connection(connection) {
            link.close(CloseReason::Aborted);
            return Sending::done(Ok(()));
        }
        let Some(backplane) = self.0.others().cloned() else { return Sending::done(Ok(())) };
        let topic = Topic::Connection(self.0.name().clone(), connection.clone());
        let envelope = self.0.envelope(Body::Abort {});
        passed_on(Box::pin(async move {
            backplane.publish(&topic, envelope).await.map(|_| ()).map_err(backplane_failed)
        }))
    }

    fn add_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<Result<(), GroupError>> {
        Box::pin(membership::change(
            self.0.clone(),
            connection.clone(),
            group.clone(),
            membership::Change::Join,
        ))
    }

    fn remove_connection(
        &self,
        connection: &ConnectionId,
        group: &GroupName,
    ) -> BoxFuture<Result<(), GroupError>> {
        Box::pin(membership::change(
            self.0.clone(),
            connection.clone(),
            group.clone(),
            membership::Change::Leave,
        ))
    }

    fn add_user(
        &self,
        user: &UserId,
        group: &GroupName,
        ttl: Option<Duration>,
    ) -> BoxFuture<Result<(), GroupError>> {
        Box::pin(membership::add_user(self.0.clone(), user.clone(), group.clone(), ttl))
    }

    fn remove_user(&self, user: &UserId, group: &GroupName) -> BoxFuture<Result<(), GroupError>> {
        Box::pin(membership::remove_user(self.0.clone(), user.clone(), group.clone()))
    }

    fn members(
        &self,
        group: &GroupName,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<Result<GroupPage, GroupError>> {
        Box::pin(membership::members(self.0.clone(), group.clone(), cursor, limit))
    }

    fn count(&self, group: &GroupName) -> BoxFuture<Result<u64, GroupError>> {
        let (engine, group) = (self.0.clone(), group.clone());
        Box::pin(async move {
            engine.node.store.count(engine.name(), &group).await.map_err(membership::store_failed)
        })
    }

    fn contains(&self, group: &GroupName, member: &GroupMember) -> BoxFuture<Result<bool, GroupError>> {
        let (engine, group, member) = (self.0.clone(), group.clone(), membership::to_store(member));
        Box::pin(async move {
            engine.node.store.contains(engine.name(), &group, &member).await.map_err(membership::store_failed)
        })
    }

    fn groups_of(&self, member: &GroupMember) -> BoxFuture<Result<Vec<GroupName>, GroupError>> {
        Box::pin(membership::groups_of(self.0.clone(), member.clone()))
    }
}
