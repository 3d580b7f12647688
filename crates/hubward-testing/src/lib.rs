//! Test fixtures that several crates share: HTTP and WebSocket frames over bare sockets, a client that never stops
//! sending, a proxy that fails, a waker that counts, waits that end; with the feature `processes`, processes that end with
//! their test; with the feature `redis`, real Redis.
//!
//! For tests only, which is why it panics where a test is to fail. It depends on no other crate of the workspace, and
//! reads and writes the wire by itself: what it tests is checked against it.

#[cfg(feature = "processes")]
mod certificates;
mod fault_proxy;
mod flood;
pub mod frame;
mod http;
#[cfg(feature = "processes")]
mod kept_process;
mod port;
#[cfg(feature = "redis")]
pub mod redis;
mod request;
mod response;
mod wait;
mod wake_counter;

#[cfg(feature = "processes")]
pub use certificates::Certificates;
pub use fault_proxy::FaultProxy;
pub use flood::Flood;
pub use http::Http;
#[cfg(feature = "processes")]
pub use kept_process::{KeptProcess, folder_of};
pub use port::Port;
pub use request::{UPGRADE, header_lines, request};
pub use response::Response;
pub use wait::{TIMEOUT, eventually, within};
pub use wake_counter::WakeCounter;
