//! What crosses nodes: envelopes that come in, requests to other nodes with their replies, and where connections are.

pub(crate) mod asked_changes;
pub(crate) mod client_results;
pub(crate) mod connection_owners;
pub(crate) mod disconnecting;
pub(crate) mod draining_peers;
pub(crate) mod forwarded_invocations;
#[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
pub(crate) mod forwarding;
pub(crate) mod held;
pub(crate) mod holding;
pub(crate) mod link;
#[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
pub(crate) mod moved;
pub(crate) mod outage;
pub(crate) mod outbox;
pub(crate) mod owners;
pub(crate) mod peers;
pub(crate) mod pending;
pub(crate) mod receiver;
pub(crate) mod remote;
pub(crate) mod requests;
pub(crate) mod send;
