//! A node: its hubs, how it joins other nodes, and its graceful shutdown.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hubward_backplane::{BackplaneError, BoxFuture, LiveNode, RegistryError, Topic};
use hubward_types::{HubName, NodeId, brief_causes};
use tokio::time::Instant;

use crate::cluster::receiver::EnvelopeReceiver;
use crate::context::NodeContext;
use crate::drain::Drain;
use crate::drain::options::{DrainDeadlines, DrainOptions};
use crate::drain::progress::{DrainPhase, DrainReport};
use crate::engine::Engine;
use crate::lives;

/// The hubs of one process. Nothing in a node holds the node: once it, the mounted paths, all handles and all
/// connections are dropped, its hubs and its backplane are freed, even without a shutdown.
pub struct Node {
    context: Arc<NodeContext>,
    hubs: HashMap<HubName, Arc<Engine>>,
    /// Locked while a call waits, so that of two calls the second waits for the first.
    starting: Arc<tokio::sync::Mutex<Starting>>,
    has_joined: AtomicBool,
    drain: Drain,
}

/// How far the node's start is. One whose caller stopped waiting is kept: dropped half-way, the node would be announced
/// without knowing of it, and be refused as a duplicate of itself.
enum Starting {
    NotBegun,
    Running(BoxFuture<'static, Result<(), StartError>>),
    Started,
}

/// Why a node could not be started. Try again later, except after a [`RegistryError::DuplicateId`] or a shutdown.
/// Its `Debug` form is its message with what caused it, because that is what a `main` prints which returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The node could not be announced.
    #[error("the node could not be announced")]
    Registry(#[from] RegistryError),
    /// The backplane could not be reached.
    #[error("the node could not join the others")]
    Backplane(#[from] BackplaneError),
    /// Other nodes cannot reach this one.
    #[error(
        "the internal listener cannot listen on {address}; free the port, or set another with Builder::internal_listener"
    )]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        source: io::Error,
    },
    /// The node has been shut down.
    #[error("the node has been shut down; build another one")]
    ShutDown,
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&brief_causes(self), f)
    }
}

impl Node {
    /// Makes a node of its hubs. It joins no other node yet: see [`Node::start`].
    pub fn new(context: Arc<NodeContext>, hubs: impl IntoIterator<Item = Arc<Engine>>) -> Self {
        let hubs = hubs.into_iter().map(|engine| (engine.name().clone(), engine)).collect();
        let starting = Arc::new(tokio::sync::Mutex::new(Starting::NotBegun));
        Self { context, hubs, starting, has_joined: AtomicBool::new(false), drain: Drain::default() }
    }

    /// Returns the node's id.
    pub fn id(&self) -> &NodeId {
        &self.context.id
    }

    /// Lists the nodes that live, this one included; none where it shares nothing with others.
    ///
    /// # Errors
    /// [`RegistryError`] where the record of them cannot be read.
    pub async fn nodes(&self) -> Result<Vec<LiveNode>, RegistryError> {
        match &self.context.registry {
            Some(registry) => registry.list().await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns the hub of this name.
    pub fn hub(&self, name: &str) -> Option<&Arc<Engine>> {
        self.hubs.get(name)
    }

    /// Counts the connections of all hubs.
    pub fn connection_count(&self) -> usize {
        self.hubs.values().map(|engine| engine.connection_count()).sum()
    }

    /// Returns how often messages of other nodes may have been missed since the start: the link to them was interrupted, or
    /// the node was taken for dead and has begun anew.
    pub fn gaps(&self) -> u64 {
        self.context.link.gaps()
    }

    /// Returns how many messages for other nodes were held in an outage and discarded since the start, because the link was
    /// not back in time.
    pub fn discarded_messages(&self) -> u64 {
        self.context.link.discarded()
    }

    /// Announces the node and joins the others. A node that shares nothing with others is ready as it is. A call that is
    /// cancelled leaves the start where it is, and the next call goes on with it.
    ///
    /// # Errors
    /// [`StartError`]; the node is then not joined, and may be started again.
    pub async fn start(&self) -> Result<(), StartError> {
        let mut starting = self.starting.lock().await;
        if self.context.progress.phase() > DrainPhase::Serving {
            return Err(StartError::ShutDown);
        }
        if matches!(*starting, Starting::NotBegun) {
            let hubs = self.hubs.values().cloned().collect();
            *starting = Starting::Running(Box::pin(join_others(self.context.clone(), hubs)));
        }
        let Starting::Running(running) = &mut *starting else { return Ok(()) };
        let joined = running.await;
        *starting = if joined.is_ok() { Starting::Started } else { Starting::NotBegun };
        self.has_joined.store(joined.is_ok(), Ordering::Release);
        joined
    }

    /// Whether the node has joined the others, where it has to, and no drain has begun.
    pub fn is_ready(&self) -> bool {
        let has_joined = self.context.backplane.is_none() && self.context.registry.is_none()
            || self.has_joined.load(Ordering::Acquire);
        has_joined && self.context.progress.phase() == DrainPhase::Serving
    }

    /// Drains the node within the grace time, and returns what became of its connections. Where a drain has begun already, its
    /// phases end no later than these options say, and this waits for the same end. The drain goes on where the caller stops
    /// waiting; it stops where the node is dropped.
    pub async fn drain(&self, options: DrainOptions) -> DrainReport {
        self.begin_drain(options);
        self.drain.ended(&self.context).await
    }

    /// Begins a drain without waiting for it. It has to be called in a Tokio runtime.
    pub fn begin_drain(&self, options: DrainOptions) {
        self.drain_until(DrainDeadlines::of(options, Instant::now()));
    }

    /// Waits until a drain has begun, whoever has begun it.
    pub async fn drain_begun(&self) {
        self.context.progress.reached(DrainPhase::NotReady).await;
    }

    /// Returns how far the node's drain is, and what it has done so far.
    pub fn drain_report(&self) -> DrainReport {
        self.context.progress.report()
    }

    /// Shuts down gracefully: closes every connection and lets its client reconnect, waits for running calls, and
    /// leaves the other nodes. It has no timeout of its own; the caller puts one around it. It is a drain that closes everything
    /// at once; one that has begun goes on in the same way.
    pub async fn shut_down(&self) {
        self.drain_until(DrainDeadlines::at_once(Instant::now()));
        self.drain.ended(&self.context).await;
    }

    fn drain_until(&self, deadlines: DrainDeadlines) {
        let leave = Box::pin(leave(self.context.clone(), self.starting.clone()));
        self.drain.begin(&self.context, || self.hubs.values().cloned().collect(), leave, deadlines);
    }
}

/// Leaves the other nodes.
async fn leave(context: Arc<NodeContext>, starting: Arc<tokio::sync::Mutex<Starting>>) {
    let mut starting = starting.lock().await;
    // One that runs comes to its end first: otherwise the node would be announced after it has left.
    if let Starting::Running(running) = &mut *starting {
        let _ = running.await;
        *starting = Starting::NotBegun;
    }
    lives::withdraw(&context).await;
    if let Some(backplane) = &context.backplane {
        backplane.stop().await;
    }
}

async fn join_others(context: Arc<NodeContext>, hubs: Vec<Arc<Engine>>) -> Result<(), StartError> {
    let names: Vec<_> = hubs.iter().map(|engine| engine.name().clone()).collect();
    lives::announce(&context, &names).await?;
    if let Some(backplane) = &context.backplane {
        match backplane.start(Arc::new(EnvelopeReceiver::new(&context, &hubs))).await {
            // It was started by an earlier call that failed later on.
            Ok(()) | Err(BackplaneError::AlreadyStarted) => {}
            Err(error) => return Err(error.into()),
        }
        let topics = [Topic::Node(context.id.clone()), Topic::Nodes];
        let of_hubs = names.into_iter().map(Topic::All);
        let subscribed = backplane.subscribe(topics.into_iter().chain(of_hubs).collect()).await;
        subscribed.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    lives::watch(&context, &hubs);
    Ok(())
}

#[cfg(test)]
mod tests;
