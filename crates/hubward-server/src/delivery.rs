//! From a message to its recipients: who is connected to this node, and which topics it subscribes to for them.

pub(crate) mod backpressure;
pub(crate) mod encoded;
pub(crate) mod exclusions;
pub(crate) mod index;
pub(crate) mod members;
pub(crate) mod router;
pub(crate) mod subscriptions;
