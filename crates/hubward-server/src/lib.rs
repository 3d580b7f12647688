//! The engine: connection tasks, registry, dispatch, and the router between local delivery and the backplane.
//!
//! It knows hubs only with their types erased, transports only as pipes of bytes, and other nodes only through
//! the backplane's two traits.

mod acceptor;
mod cluster;
mod connection;
mod delivery;
mod hub;
mod invocation;
mod node;

pub use acceptor::HubAcceptor;
pub use hub::{Engine, UnknownPolicy};
pub use node::Node;
