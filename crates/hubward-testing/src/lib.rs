//! Test fixtures that several crates share: HTTP and WebSocket frames over bare sockets, a client that never stops
//! sending, a waker that counts, and waits that end.
//!
//! For tests only, which is why it panics where a test is to fail. It depends on no other crate of the workspace, and
//! reads and writes the wire by itself: what it tests is checked against it.

mod flood;
pub mod frame;
mod http;
mod request;
mod response;
mod wait;
mod wake_counter;

pub use flood::Flood;
pub use http::Http;
pub use request::{UPGRADE, header_lines, request};
pub use response::Response;
pub use wait::{TIMEOUT, eventually, within};
pub use wake_counter::WakeCounter;
