//! An authenticated, ordered pipe of bytes over WebSockets, server-sent events or long polling, mounted into any
//! axum [`Router`](axum::Router). What the bytes mean is not known here: a hub engine or a raw handler takes each
//! accepted [`Connection`] through [`Acceptor`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use hubward_auth::KeyRing;
//! use hubward_transport::{Endpoint, ConnectionManager, raw};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let manager = ConnectionManager::new("node-1", KeyRing::random(), CancellationToken::new(), TaskTracker::new());
//! let echo = raw::handler(|mut connection| async move {
//!     while let Some(bytes) = connection.receive().await {
//!         connection.send(bytes).await?;
//!     }
//!     Ok(())
//! });
//! let app: axum::Router = Endpoint::new("/echo", "echo", Arc::new(echo), manager).router();
//! # let _ = app;
//! ```

mod absent;
mod connections;
mod endpoint;
mod error;
mod http;
mod log_limit;
mod options;
mod peers;
mod pipe;
mod refusal;
mod request_info;
mod serve;
#[cfg(test)]
mod test_support;
mod transport;
mod trusted_proxies;
mod turn;

pub mod raw;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use absent::Absent;
pub use connections::claims::{Claim, Claimed, ConnectionClaims, OpeningConnection};
pub use connections::close_window::CloseWindow;
pub use connections::connection::{Acceptor, Connection};
pub use connections::manager::{ConnectionManager, DrainSignals};
pub use connections::owners::{ConnectionOwners, OwnerUnknown};
pub use connections::registration::Registration;
pub use endpoint::Endpoint;
pub use error::PipeError;
pub use log_limit::{Lines, LogLimit};
pub use options::TransportOptions;
pub use peers::{InternalListener, LivePeer, PeerCalls, PeerClient, PeerDirectory, PeerError, PeerTls};
pub use pipe::Pipe;
pub use pipe::received::{Received, TransportEnd};
pub use request_info::RequestInfo;
pub use serve::options::ServeOptions;
pub use serve::serve;
pub use transport::Transport;
pub use trusted_proxies::{ForwardingHeader, InvalidNetwork, TrustedProxies};
pub use turn::poll_again_after_others;
