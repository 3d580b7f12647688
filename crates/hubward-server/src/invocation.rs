//! Calls of clients: bound, authorized, run and answered; and what a hub does when a client connects or disconnects.

pub(crate) mod dispatch;
pub(crate) mod lifecycle;
pub(crate) mod running;
