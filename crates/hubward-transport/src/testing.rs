//! Connections in memory, for tests of what serves them: a WebSocket over any stream of bytes, without HTTP in front.

use std::sync::Arc;

use bytes::Bytes;
use hubward_types::{ConnectionId, HubName, Principal};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::pipe::websocket::{Io, WebSocketPipe};
use crate::{Claim, Connection, ConnectionManager, Registration, RequestInfo, Transport, TransportOptions};

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
