//! From a message to its recipients: who is on this node, and which topics this node listens to for them.

pub(crate) mod encoded;
pub(crate) mod exclusions;
pub(crate) mod index;
pub(crate) mod members;
pub(crate) mod subscriptions;
