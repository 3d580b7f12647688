//! A node: its hubs, how it joins other nodes, and its graceful shutdown.

use std::collections::HashMap;
use std::sync::Arc;

use hubward_backplane::{BackplaneError, RegistryError, Topic};
use hubward_types::{HubName, NodeId};

use crate::cluster::receiver::EnvelopeReceiver;
use crate::context::NodeContext;
use crate::engine::Engine;
use crate::lives;

/// The hubs of one process. Nothing in a node holds the node: once it, the mounted paths, all handles and all
/// connections are dropped, its hubs and its backplane are freed, even without a shutdown.
pub struct Node {
    context: Arc<NodeContext>,
    hubs: HashMap<HubName, Arc<Engine>>,
    /// Locked while the node starts, so that of two calls the second waits for the first.
    started: tokio::sync::Mutex<bool>,
}

/// Why a node could not be started. Try again later, except after a [`RegistryError::DuplicateId`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The node could not be announced.
    #[error("the node could not be announced")]
    Registry(#[from] RegistryError),
    /// The backplane could not be reached.
    #[error("the node could not join the others")]
    Backplane(#[from] BackplaneError),
}

impl Node {
    /// Makes a node of its hubs. It joins no other node yet: see [`Node::start`].
    pub fn new(context: Arc<NodeContext>, hubs: impl IntoIterator<Item = Arc<Engine>>) -> Self {
        let hubs = hubs.into_iter().map(|engine| (engine.name().clone(), engine)).collect();
        Self { context, hubs, started: tokio::sync::Mutex::new(false) }
    }

    /// Returns the node's id.
    pub fn id(&self) -> &NodeId {
        &self.context.id
    }

    /// Returns the hub of this name.
    pub fn hub(&self, name: &str) -> Option<&Arc<Engine>> {
        self.hubs.get(name)
    }

    /// Announces the node and joins the others. A node that shares nothing with others is ready as it is.
    ///
    /// # Errors
    /// [`StartError`]; the node is then not joined, and may be started again.
    pub async fn start(&self) -> Result<(), StartError> {
        let mut started = self.started.lock().await;
        if *started {
            return Ok(());
        }
        lives::announce(&self.context, &self.hub_names()).await?;
        if let Some(backplane) = &self.context.backplane {
            let receiver = Arc::new(EnvelopeReceiver::new(&self.context, self.hubs.values()));
            match backplane.start(receiver).await {
                // It was started by an earlier call that failed later on.
                Ok(()) | Err(BackplaneError::AlreadyStarted) => {}
                Err(error) => return Err(error.into()),
            }
            let topics = [Topic::Node(self.context.id.clone()), Topic::Nodes];
            let hubs = self.hubs.keys().map(|hub| Topic::All(hub.clone()));
            let subscribed = backplane.subscribe(topics.into_iter().chain(hubs).collect()).await;
            subscribed.into_iter().collect::<Result<Vec<()>, _>>()?;
        }
        lives::watch(&self.context, self.hubs.values());
        *started = true;
        Ok(())
    }

    fn hub_names(&self) -> Vec<HubName> {
        self.hubs.keys().cloned().collect()
    }

    /// Shuts down gracefully: closes every connection and lets its client reconnect, waits for running calls, and
    /// leaves the other nodes. It has no timeout of its own; the caller puts one around it.
    pub async fn shut_down(&self) {
        self.context.shutdown.cancel();
        for engine in self.hubs.values() {
            engine.close_all();
        }
        self.context.tasks.close();
        self.context.tasks.wait().await;
        lives::withdraw(&self.context).await;
        if let Some(backplane) = &self.context.backplane {
            backplane.stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
