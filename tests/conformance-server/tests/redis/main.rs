//! Three nodes, each a process, over real Redis: what clients notice of each other, and of nodes and servers that fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, and clippy takes only test functions for tests"
)]

mod any_node;
mod apart;
mod churn;
mod costs;
mod deaths;
mod failover;
mod forged;
mod groups;
mod hostile;
mod nodes;
mod outages;
mod permissions;
mod racing;
mod refusals;
mod sending;
mod storms;
mod traces;
