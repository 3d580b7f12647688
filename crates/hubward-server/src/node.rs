//! A node: its hubs, how it joins other nodes, and its graceful shutdown.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hubward_backplane::{BackplaneError, Topic};
use hubward_types::{HubName, NodeId};

use crate::cluster::receiver::EnvelopeReceiver;
use crate::context::NodeContext;
use crate::engine::Engine;

/// The hubs of one process. Nothing in a node holds the node: once it, the mounted paths, all handles and all
/// connections are dropped, its hubs and its backplane are freed, even without a shutdown.
pub struct Node {
    context: Arc<NodeContext>,
    hubs: HashMap<HubName, Arc<Engine>>,
    started: AtomicBool,
}

impl Node {
    /// Makes a node of its hubs. It joins no other node yet: see [`Node::start`].
    pub fn new(context: Arc<NodeContext>, hubs: impl IntoIterator<Item = Arc<Engine>>) -> Self {
        let hubs = hubs.into_iter().map(|engine| (engine.name().clone(), engine)).collect();
        Self { context, hubs, started: AtomicBool::new(false) }
    }

    /// Returns the node's id.
    pub fn id(&self) -> &NodeId {
        &self.context.id
    }

    /// Returns the hub of this name.
    pub fn hub(&self, name: &str) -> Option<&Arc<Engine>> {
        self.hubs.get(name)
    }

    /// Joins the other nodes. A node without a backplane is ready as it is.
    ///
    /// # Errors
    /// What the backplane reports; the node is then not joined, and may be started again.
    pub async fn start(&self) -> Result<(), BackplaneError> {
        let Some(backplane) = &self.context.backplane else { return Ok(()) };
        if self.started.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let start = async {
            backplane.start(Arc::new(EnvelopeReceiver::new(&self.context, self.hubs.values()))).await?;
            backplane.subscribe(Topic::Node(self.context.id.clone())).await?;
            for hub in self.hubs.keys() {
                backplane.subscribe(Topic::All(hub.clone())).await?;
            }
            Ok(())
        };
        let started = start.await;
        if started.is_err() {
            self.started.store(false, Ordering::SeqCst);
        }
        started
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
        if let Some(backplane) = &self.context.backplane {
            backplane.stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
