//! What crosses nodes: envelopes received from others, client results, and changes of group membership.

pub(crate) mod client_results;
pub(crate) mod membership;
pub(crate) mod remote;
