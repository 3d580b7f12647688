//! From a message to its recipients: who is connected to this node, and which topics it subscribes to for them.

pub(crate) mod backpressure;
pub(crate) mod encoded;
pub(crate) mod exclusions;
pub(crate) mod index;
pub(crate) mod members;
#[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
pub(crate) mod message_id;
pub(crate) mod router;
#[cfg_attr(not(test), allow(dead_code, reason = "nothing hands a session over yet"))]
pub(crate) mod sends;
pub(crate) mod subscriptions;
