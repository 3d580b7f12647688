//! Endpoints over real sockets: each row of the protocol's tables, asked with bare HTTP and bare frames.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

mod authorization;
mod long_polling;
mod negotiate;
mod requests;
mod server_sent_events;
mod stateful;
mod support;
mod websocket;
