//! Attacks: what a hostile client, or a hub that is written without care, may do to a node and to the other clients.
//!
//! Each attack runs against a node in a process of its own, whose memory, processor time, sockets and log are read from
//! outside. What is asserted is what the node holds and what the clients receive, never how fast it is.

mod answers;
mod bursts;
mod deadlines;
mod door;
mod durations;
mod event_streams;
mod idle;
mod input;
mod logs;
mod memory;
mod node;
mod panics;
mod posts;
mod questions;
mod requests;
mod sends;
mod slow_lines;
mod sockets;
mod tokens;
mod waits;
mod wire;
