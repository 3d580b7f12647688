//! The engine: connection tasks, invocations, delivery to clients of this node, and the router between local delivery
//! and the backplane.
//!
//! It knows hubs only with their types erased, transports only as pipes of bytes, and other nodes only through
//! the backplane's three traits.

mod acceptor;
mod bounded;
mod claims;
mod cluster;
mod connection;
mod context;
mod delivery;
mod drain;
mod engine;
mod facade;
mod handover;
mod invocation;
mod lives;
mod membership;
mod node;
mod session_state;
#[cfg(test)]
mod testing;

pub use acceptor::HubAcceptor;
pub use claims::{HubClaims, RawClaims};
pub use cluster::connection_owners::{HubOwners, RawOwners};
pub use context::{NodeContext, NodeStores};
pub use drain::options::DrainOptions;
pub use drain::progress::{DrainPhase, DrainReport};
pub use engine::{Engine, UnknownPolicy, required_policies};
pub use handover::service::HandoverService;
pub use node::{Node, StartError};
