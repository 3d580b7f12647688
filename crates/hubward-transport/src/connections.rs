//! The connections that live on this node, by the id inside their token.

pub(crate) mod connection;
pub(crate) mod manager;
pub(crate) mod ownership;
pub(crate) mod registration;
pub(crate) mod registry;
pub(crate) mod resume;
