//! Connections in memory, for tests of what serves them: a WebSocket over any stream of bytes, without HTTP in front.

use std::sync::Arc;

use bytes::Bytes;
use hubward_types::{ConnectionId, HubName, Principal};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connections::resume::Resume;
use crate::pipe::websocket::{Io, WebSocketPipe};
use crate::{
    Claim, Connection, ConnectionManager, PeerError, Registration, RequestInfo, Transport, TransportOptions,
};

/// Opens a WebSocket connection over `io`, as if its request had been accepted. The other end of `io` speaks WebSocket
/// frames as a client does.
pub fn web_socket(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    id: impl Into<ConnectionId>,
    hub: impl Into<HubName>,
    principal: Principal,
    manager: Arc<ConnectionManager>,
    options: Arc<TransportOptions>,
) -> Connection {
    Connection {
        id: id.into(),
        hub: hub.into(),
        principal,
        request: request(),
        transport: Transport::WebSockets,
        stateful: false,
        pipe: WebSocketPipe::new(Io::Other(Box::new(io)), Bytes::new(), options).into(),
        registration: Registration::unnamed(manager),
    }
}

/// Where the client of a stateful connection comes back.
#[derive(Clone)]
pub struct Resumption(Arc<Resume>);

impl Resumption {
    /// Makes that of a connection; `None` where it cannot be resumed.
    pub fn of(registration: &Registration) -> Option<Self> {
        registration.resume().map(Self)
    }

    /// Finds that of the connection of this id; `None` where this node has none that can be resumed.
    pub fn find(manager: &ConnectionManager, id: &ConnectionId) -> Option<Self> {
        manager.registry().resume_of(id).map(Self)
    }

    /// Opens another WebSocket over `io` to resume the connection, as if its request had been accepted. Where it cannot be
    /// resumed any more, `io` is dropped.
    pub fn offer(
        &self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        options: Arc<TransportOptions>,
    ) {
        self.0.offer(WebSocketPipe::new(Io::Other(Box::new(io)), Bytes::new(), options).into());
    }
}

/// Opens a connection with what was claimed for it.
pub fn claimed(mut connection: Connection, claim: Option<Claim>) -> Connection {
    connection.registration.open(claim);
    connection
}

/// Makes the [`RequestInfo`] of a request without query, headers or address.
pub fn request() -> Arc<RequestInfo> {
    let (parts, ()) = http::Request::new(()).into_parts();
    Arc::new(RequestInfo::new(&parts))
}

/// Makes the error of a connection to another node that broke off.
pub async fn broken_off() -> PeerError {
    match hyper::upgrade::on(http::Request::new(())).await {
        Err(error) => PeerError::Lost(error),
        // A request that nobody has received is not upgraded.
        Ok(_) => PeerError::Gone,
    }
}

/// Makes the error of a call whose body broke off.
pub async fn body_broken() -> PeerError {
    match broken_off().await {
        PeerError::Lost(error) => PeerError::BodyBroken(error),
        other => other,
    }
}
