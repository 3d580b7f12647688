//! Where the transport hands an accepted connection over to its hub.

use std::sync::Arc;

use hubward_transport::{Acceptor, Connection, TransportOptions};

use crate::connection::ConnectionTask;
use crate::connection::config::ConnectionConfig;
use crate::engine::Engine;

/// Gives each connection of a mounted path to a hub.
pub struct HubAcceptor {
    engine: Arc<Engine>,
    config: Arc<ConnectionConfig>,
}

impl HubAcceptor {
    /// Makes the acceptor of a hub that is mounted with these options.
    pub fn new(engine: Arc<Engine>, transports: &TransportOptions) -> Self {
        let config = Arc::new(ConnectionConfig::new(&engine.definition.options, transports));
        engine.set_connection_config(config.clone());
        Self { engine, config }
    }
}

impl Acceptor for HubAcceptor {
    fn accept(&self, connection: Connection) {
        self.engine.context.runtime.note();
        let task = Box::new(ConnectionTask::new(self.engine.clone(), self.config.clone(), connection));
        self.engine.context.tasks.spawn(task.run());
    }
}
