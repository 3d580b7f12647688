//! A connection as hub code may know it: who is at its other end, and the request that opened it. The server
//! implements it; hub authors meet it through [`HubContext`](crate::HubContext).

pub(crate) mod disconnect_reason;
pub(crate) mod item_type;
pub(crate) mod items;

use std::net::SocketAddr;

use hubward_types::{ConnectionId, Principal};
use tokio_util::sync::CancellationToken;

use crate::connection::items::Items;

/// One connection, as the server shows it to hub code. Object-safe, so that a connection is one allocation.
pub trait HubConnection: Send + Sync + 'static {
    /// Returns the public id.
    fn id(&self) -> &ConnectionId;
    /// Returns who is at the other end.
    fn principal(&self) -> &Principal;
    /// Returns the values that the hub keeps with the connection.
    fn items(&self) -> &Items;
    /// Returns the request that opened the connection.
    fn request(&self) -> &dyn Request;
    /// Returns a token that is cancelled when the connection has closed.
    fn connection_closed(&self) -> CancellationToken;
    /// Closes the connection from the server's side, with a Close message that does not allow a reconnect.
    fn abort(&self);
    /// Returns whether client results can arrive. Until `on_connected` is done they cannot: nothing that the client
    /// sends is read before.
    fn accepts_client_results(&self) -> bool;
}

/// The request that opened a connection, kept for as long as the connection lives. Tokens are not in it, nor in the
/// headers that copy its URL.
pub trait Request: Send + Sync {
    /// Returns the value of a query parameter, percent-decoded; several values are joined with commas, as ASP.NET Core
    /// joins them. Names are matched without regard to case.
    fn query(&self, name: &str) -> Option<&str>;
    /// Returns the first value of a header that is UTF-8. Names are matched without regard to case.
    fn header(&self, name: &str) -> Option<&str>;
    /// Returns a cookie's value, as it was sent.
    fn cookie(&self, name: &str) -> Option<&str>;
    /// Returns the path.
    fn path(&self) -> &str;
    /// Returns the address that the request came from, where the server knows it.
    fn remote_address(&self) -> Option<SocketAddr>;
    /// Returns SignalR's name of the transport: `WebSockets`, `ServerSentEvents` or `LongPolling`.
    fn transport(&self) -> &str;
}
