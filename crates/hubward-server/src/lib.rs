//! The engine: connection tasks, registry, dispatch, and the router between local delivery and the backplane.
//!
//! It knows hubs only with their types erased, transports only as pipes of bytes, and other nodes only through
//! the backplane's two traits.

mod acceptor;
mod asks;
mod batch;
mod callback;
mod calls;
mod close;
mod dispatch;
mod engine;
mod except;
mod frames;
mod index;
mod link;
mod mailbox;
mod members;
mod membership;
mod node;
mod remote;
mod scratch;
mod sessions;
mod subscriptions;
mod task;

pub use acceptor::HubAcceptor;
pub use engine::{Engine, UnknownPolicy};
pub use node::Node;
