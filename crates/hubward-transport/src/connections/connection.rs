//! An accepted connection, and who takes it.

use std::sync::Arc;

use hubward_types::{ConnectionId, HubName, Principal};

use crate::connections::registration::Registration;
use crate::pipe::Pipe;
use crate::request_info::RequestInfo;
use crate::transport::Transport;

/// What a mounted path does with an accepted connection: the hub engine, or a [raw handler](crate::raw).
pub trait Acceptor: Send + Sync + 'static {
    /// Takes the connection over. Must not block; long work goes into a task on the acceptor's own tracker.
    fn accept(&self, connection: Connection);
}

/// A connection that was authenticated, authorized and opened.
pub struct Connection {
    /// Its public name.
    pub id: ConnectionId,
    /// The hub that it was opened on.
    pub hub: HubName,
    /// Who opened it. Later requests of the connection come from the same user.
    pub principal: Principal,
    /// The request that opened it.
    pub request: Arc<RequestInfo>,
    /// How its bytes travel.
    pub transport: Transport,
    /// Whether stateful reconnect was negotiated.
    pub stateful: bool,
    /// The bytes.
    pub pipe: Pipe,
    /// Its place among the node's connections, which is released when this is dropped.
    pub registration: Registration,
}
