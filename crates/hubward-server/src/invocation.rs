//! Calls of clients: bound, authorized, run and completed; and what a hub does when a client connects or disconnects.

pub(crate) mod dispatch;
pub(crate) mod error_text;
pub(crate) mod failures;
pub(crate) mod filters;
pub(crate) mod lifecycle;
pub(crate) mod link_callbacks;
pub(crate) mod link_notices;
pub(crate) mod open_call;
pub(crate) mod panics;
pub(crate) mod permits;
pub(crate) mod responder;
pub(crate) mod running;
pub(crate) mod suspended;

#[cfg(test)]
mod tests;
