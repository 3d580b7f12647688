//! A connection as hub code may know it. The engine implements it; hub authors meet it through
//! [`HubContext`](crate::HubContext).

use std::net::SocketAddr;

use hubward_types::{ConnectionId, Principal};
use tokio_util::sync::CancellationToken;

use crate::Items;

/// What the engine tells of one connection. Object-safe, so that a connection is one allocation.
pub trait HubConnection: Send + Sync + 'static {
    /// The public id.
    fn id(&self) -> &ConnectionId;
    /// Who is at the other end.
    fn principal(&self) -> &Principal;
    /// Values that the hub keeps with the connection.
    fn items(&self) -> &Items;
    /// The request that opened the connection.
    fn request(&self) -> &dyn Request;
    /// Cancelled when the connection has ended.
    fn connection_closed(&self) -> CancellationToken;
    /// Ends the connection from the server's side, without leave to reconnect.
    fn abort(&self);
    /// Lets the next invocation of this client start before call `call` is done.
    fn release_permit(&self, call: u64);
    /// Whether the client can be asked: not before its reader runs.
    fn accepts_client_results(&self) -> bool;
}

/// The request that opened a connection, for as long as it lives. Tokens are not in it.
pub trait Request: Send + Sync {
    /// Returns the first value of a query parameter, decoded. Names are matched without regard to case.
    fn query(&self, name: &str) -> Option<&str>;
    /// Returns the first value of a header, if it is text.
    fn header(&self, name: &str) -> Option<&str>;
    /// Returns a cookie's value.
    fn cookie(&self, name: &str) -> Option<&str>;
    /// Returns the path.
    fn path(&self) -> &str;
    /// Returns the address that the request came from, where the server knows it.
    fn remote_address(&self) -> Option<SocketAddr>;
    /// Returns SignalR's name of the transport: `WebSockets`, `ServerSentEvents` or `LongPolling`.
    fn transport(&self) -> &str;
}
