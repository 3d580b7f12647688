//! Test fixtures that several crates share: HTTP and WebSocket frames over bare sockets, and waits that end.
//!
//! For tests only, which is why it panics where a test is to fail. It depends on no other crate of the workspace, and
//! reads and writes the wire by itself: what it tests is checked against it.

pub mod frame;
mod http;
mod request;
mod response;
mod wait;

pub use http::Http;
pub use request::{UPGRADE, header_lines, request};
pub use response::Response;
pub use wait::{TIMEOUT, eventually, within};
