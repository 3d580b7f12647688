//! What the tests of this package share: nodes on loopback ports, and clients that hide nothing of what they receive.
//! Every wait is for a condition, and bounded.

mod client;
mod connect;
mod events;
mod node;
mod process;
mod random;

pub use client::{Ended, Gone, TestClient};
pub use connect::{Connect, HANDSHAKE};
pub use events::{EventRecorder, Events, events};
pub use hubward_testing::{
    Http, Response, TIMEOUT, UPGRADE, eventually, frame, header_lines, request, within,
};
pub use node::{TestNode, cluster, echo_bytes, issuer, resident_bytes, token};
pub use process::{NodeProcess, announce, parent_ended};
pub use random::Random;
