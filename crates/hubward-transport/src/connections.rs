//! The connections that live on this node: who they are, by the id inside their token, and what others hold of them.

pub(crate) mod claims;
pub(crate) mod close_window;
pub(crate) mod connection;
pub(crate) mod manager;
pub(crate) mod owners;
pub(crate) mod ownership;
pub(crate) mod registration;
pub(crate) mod registry;
pub(crate) mod resume;
