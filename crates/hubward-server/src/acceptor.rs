//! Where the transport hands a connection over to its hub.

use std::sync::Arc;

use hubward_transport::{Acceptor, Connection};

use crate::connection::Task;
use crate::hub::Engine;

/// Gives each connection of a path to a hub.
pub struct HubAcceptor(Arc<Engine>);

impl HubAcceptor {
    /// Makes the acceptor of a hub.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self(engine)
    }
}

impl Acceptor for HubAcceptor {
    fn accept(&self, connection: Connection) {
        let task = Box::new(Task::new(self.0.clone(), connection));
        self.0.node.tasks.spawn(task.run());
    }
}
