//! The trait of the record of which nodes live. A node announces itself, sends heartbeats, and is taken for dead when
//! they stop; the survivors then remove what it left in the group store.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hubward_types::{HubName, NodeId};

use crate::backplane::Cause;
use crate::owner::{Epoch, Owner};

/// The most entries that one step of a [sweep](NodeRegistry::sweep) removes, whatever limit the caller gives: a step may
/// block other callers of the store.
pub const MAX_SWEPT_AT_ONCE: usize = 1_000;

/// The authoritative record of which nodes live. It shares its state with a [`GroupStore`](crate::GroupStore): from the
/// moment that a node counts as dead, or has left, the store refuses whatever that life of it records.
///
/// [Time](crate#time) says how long a call may take.
pub trait NodeRegistry: Send + Sync + 'static {
    /// Announces that a node lives, and returns the epoch of this life. A node that was taken for dead announces itself
    /// anew, and then [restores](crate::GroupStore::restore) what it holds.
    ///
    /// # Errors
    ///
    /// [`RegistryError::DuplicateId`] while another node of this id lives; otherwise if it could not be recorded.
    fn announce(&self, node: NodeInfo) -> BoxFuture<'_, Result<Epoch, RegistryError>>;

    /// Reports that a node still lives, and how busy it is. It is due within [`lease`](Self::lease) of the last one. The first
    /// of a life that says that the node drains is a [`NodeEvent::Draining`] for those who watch.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Fenced`] if this life has ended; otherwise if it could not be recorded.
    fn heartbeat(&self, owner: &Owner, load: NodeLoad) -> BoxFuture<'_, Result<(), RegistryError>>;

    /// Ends a node's life: it leaves. What it still holds in the store is swept. It is not an error if that life has
    /// ended already.
    ///
    /// # Errors
    ///
    /// Fails if it could not be recorded; the node is then taken for dead when its lease has ended.
    fn withdraw(&self, owner: &Owner) -> BoxFuture<'_, Result<(), RegistryError>>;

    /// Lists the nodes that live.
    ///
    /// # Errors
    ///
    /// Fails if the record could not be read.
    fn list(&self) -> BoxFuture<'_, Result<Vec<LiveNode>, RegistryError>>;

    /// Watches nodes come and go, from now on. A death is noticed when some node calls the registry after the lease has
    /// ended, so that it is at most a heartbeat late.
    fn watch(&self) -> NodeEvents;

    /// Returns how long after its last heartbeat a node counts as dead.
    fn lease(&self) -> Duration;

    /// Removes connections that nodes whose life has ended left in the store: one step, at most `limit` (zero counts as
    /// one) and at most [`MAX_SWEPT_AT_ONCE`] of them. What one node left is swept by one survivor at a time: its step
    /// takes a lease, which another survivor may take when no step has followed for as long as [`lease`](Self::lease).
    ///
    /// # Errors
    ///
    /// [`RegistryError::Fenced`] if the sweeper's own life has ended; otherwise if it could not be recorded. What was
    /// not removed is left for a later step.
    fn sweep(&self, by: &Owner, limit: usize) -> BoxFuture<'_, Result<Sweep, RegistryError>>;
}

/// Nodes that come and go.
pub type NodeEvents = BoxStream<'static, NodeEvent>;

/// What a node announces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Where other nodes reach it, such as `10.0.0.7:9000`; `None` where they need not.
    pub address: Option<String>,
    /// The hubs that it has.
    pub hubs: Vec<HubName>,
}

/// How busy a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct NodeLoad {
    /// How many connections it has, of all hubs.
    pub connections: u64,
    /// Whether it is about to leave, so that it is sent no new connections.
    pub draining: bool,
}

impl NodeLoad {
    /// Makes one of so many connections.
    pub fn new(connections: u64) -> Self {
        Self { connections, draining: false }
    }

    /// Says whether the node is about to leave.
    pub fn draining(self, draining: bool) -> Self {
        Self { draining, ..self }
    }
}

/// A node that lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveNode {
    /// What it announced.
    pub info: NodeInfo,
    /// Its life.
    pub epoch: Epoch,
    /// What it reported with its last heartbeat; nothing before the first one.
    pub load: NodeLoad,
}

impl LiveNode {
    /// Returns the owner that it is.
    pub fn owner(&self) -> Owner {
        Owner { node: self.info.id.clone(), epoch: self.epoch }
    }
}

/// A change of the nodes that live.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A node has announced itself.
    Joined(LiveNode),
    /// A node is about to leave.
    Draining(Owner),
    /// A node has left.
    Left(Owner),
    /// A node is taken for dead.
    Died(Owner),
    /// Events were missed: [list](NodeRegistry::list) the nodes again.
    Missed,
}

/// What one step of a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sweep {
    /// How many connections it removed.
    pub removed: usize,
    /// Whether nothing is left for this node to sweep.
    pub finished: bool,
}

/// Why a call of a [`NodeRegistry`] failed. It is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry cannot be reached at present; a later call may succeed.
    #[error("the node registry cannot be reached")]
    Unavailable(#[source] Option<Cause>),
    /// A node of the same id lives.
    #[error("a node with the id '{node}' is running already; give each node an id of its own")]
    DuplicateId {
        /// The id.
        node: NodeId,
    },
    /// The node was taken for dead, or has left: it has to announce itself anew.
    #[error("the node was taken for dead and has to announce itself anew")]
    Fenced,
}
