//! The way to the other nodes: an internal listener on each node, and a client for it with pooled connections. Over it go
//! the requests of clients whose connection another node holds, and the calls of nodes. Each side of a connection proves
//! that it has the keys of the cluster; [`tls`] encrypts it as well.

mod calls;
mod client;
mod connection;
mod context;
mod directory;
mod error;
mod exchange;
mod hop;
mod listener;
mod pool;
mod session;
mod signature;
mod socket;
mod strangers;
mod tls;
pub(crate) mod tunnel;

pub use calls::PeerCalls;
pub use client::PeerClient;
pub(crate) use client::{AnswerTimeout, Forwarded};
pub use directory::{LivePeer, PeerDirectory};
pub use error::PeerError;
pub(crate) use exchange::{Answer, Cut};
pub(crate) use hop::{Hop, end_to_end};
pub use listener::InternalListener;
pub(crate) use session::PeerSession;
pub(crate) use socket::notice_silence;
pub(crate) use strangers::Strangers;
pub use tls::PeerTls;

#[cfg(test)]
mod tests;
