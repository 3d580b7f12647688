//! What crosses nodes: envelopes from other nodes, client results, and what waits for a reply.

pub(crate) mod client_results;
pub(crate) mod forwarded_invocations;
pub(crate) mod pending;
pub(crate) mod receiver;
pub(crate) mod remote;
