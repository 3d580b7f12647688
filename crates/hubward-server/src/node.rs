//! A node: its hubs, how it joins other nodes, and its graceful shutdown.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use hubward_backplane::{BackplaneError, BoxFuture, LiveNode, RegistryError, Topic};
use hubward_types::{HubName, NodeId, brief_causes};

use crate::cluster::receiver::EnvelopeReceiver;
use crate::context::NodeContext;
use crate::engine::Engine;
use crate::lives;

/// The hubs of one process. Nothing in a node holds the node: once it, the mounted paths, all handles and all
/// connections are dropped, its hubs and its backplane are freed, even without a shutdown.
pub struct Node {
    context: Arc<NodeContext>,
    hubs: HashMap<HubName, Arc<Engine>>,
    /// Locked while a call waits, so that of two calls the second waits for the first.
    starting: tokio::sync::Mutex<Starting>,
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
        Self { context, hubs, starting: tokio::sync::Mutex::new(Starting::NotBegun) }
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
        if self.context.shutdown.is_cancelled() {
            return Err(StartError::ShutDown);
        }
        if matches!(*starting, Starting::NotBegun) {
            let hubs = self.hubs.values().cloned().collect();
            *starting = Starting::Running(Box::pin(join_others(self.context.clone(), hubs)));
        }
        let Starting::Running(running) = &mut *starting else { return Ok(()) };
        let joined = running.await;
        *starting = if joined.is_ok() { Starting::Started } else { Starting::NotBegun };
        joined
    }

    /// Shuts down gracefully: closes every connection and lets its client reconnect, waits for running calls, and
    /// leaves the other nodes. It has no timeout of its own; the caller puts one around it.
    pub async fn shut_down(&self) {
        self.context.shutdown.cancel();
        for engine in self.hubs.values() {
            engine.close_all();
        }
        self.context.tasks.close();
        tokio::select! {
            () = self.context.tasks.wait() => {}
            () = lives::outlast_shutdown(&self.context) => {}
        }
        let mut starting = self.starting.lock().await;
        // One that runs comes to its end first: otherwise the node would be announced after it has left.
        if let Starting::Running(running) = &mut *starting {
            let _ = running.await;
            *starting = Starting::NotBegun;
        }
        lives::withdraw(&self.context).await;
        if let Some(backplane) = &self.context.backplane {
            backplane.stop().await;
        }
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
