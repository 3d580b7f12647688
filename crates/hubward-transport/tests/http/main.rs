//! Endpoints over real sockets: each row of the protocol's tables, with plain HTTP requests and plain frames.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

mod authorization;
mod claims;
mod draining;
mod long_polling;
mod negotiate;
mod requests;
mod server_sent_events;
mod serving;
mod stateful;
#[path = "../support/support.rs"]
mod support;
mod websocket;
