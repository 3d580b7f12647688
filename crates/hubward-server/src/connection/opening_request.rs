//! The request that opened a connection, as hub code sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use hubward_hub::Request;
use hubward_transport::{RequestInfo, Transport};

/// The request that opened the connection, and on which transport.
#[derive(Clone)]
pub(crate) struct OpeningRequest {
    pub(crate) info: Arc<RequestInfo>,
    pub(crate) transport: Transport,
    /// Whether another WebSocket may take over from the one that it opened.
    pub(crate) stateful: bool,
    /// Until when its connection token could be used again; `None` where it had none.
    pub(crate) token_expires_at: Option<SystemTime>,
}

impl Request for OpeningRequest {
    fn query(&self, name: &str) -> Option<&str> {
        self.info.query(name)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.info.header(name)
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.info.cookie(name)
    }

    fn path(&self) -> &str {
        self.info.path()
    }

    fn remote_address(&self) -> Option<SocketAddr> {
        self.info.remote_address()
    }

    fn transport(&self) -> &str {
        self.transport.name()
    }
}
