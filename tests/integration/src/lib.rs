//! What the tests of this package share: nodes on loopback ports, and clients that hide nothing of what they receive.
//! Every wait is for a condition, and bounded.

mod client;
mod connect;
mod events;
mod frames;
mod http;
mod node;
mod random;
mod wait;

pub use client::{Ended, Gone, TestClient};
pub use connect::Connect;
pub use events::{EventRecorder, Events, events};
pub use frames::{HANDSHAKE, Opcode, frame, masked};
pub use http::{Http, Response, UPGRADE, request};
pub use node::{TestNode, cluster, echo_bytes, issuer, resident_bytes, token};
pub use random::Random;
pub use wait::{TIMEOUT, eventually, within};
