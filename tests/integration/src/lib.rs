//! What the tests of this package share: nodes on loopback ports, and clients that hide nothing of what they are sent.
//! Every wait is for a condition, and bounded.

mod client;
mod frames;
mod http;
mod node;
mod random;
mod wait;

pub use client::{Client, Connect, Ended, Gone};
pub use frames::{Opcode, frame, masked};
pub use http::{Answer, Http};
pub use node::{TestNode, cluster, issuer, resident_bytes, token};
pub use random::Random;
pub use wait::{PATIENCE, eventually, within};
