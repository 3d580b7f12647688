//! The SignalR hub protocol as pure code: messages, their JSON and MessagePack forms, the handshake, and the
//! state machine of a connection. It does no I/O, reads no clock, spawns nothing and draws no randomness: bytes
//! and the time come in, messages and frames go out as values.
//!
//! ```
//! use hubward_proto::{Limits, Message, Protocol, decode, encode, split};
//!
//! let frame = encode::invocation(Protocol::Json, Some("1"), "Add", &(2, 3))?;
//! assert_eq!(frame.message(), b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[2,3]}\x1e");
//!
//! let limits = Limits::default();
//! let (record, _) = split(Protocol::Json, frame.message(), &limits)?.ok_or("incomplete")?;
//! let Some(Message::Invocation(call)) = decode(Protocol::Json, record, &limits)? else {
//!     return Err("not an invocation".into());
//! };
//! assert_eq!(call.target, "Add");
//! let first: i32 = call.arguments.iter().next().ok_or("no argument")?.deserialize()?;
//! assert_eq!(first, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
pub mod encode;
mod error;
mod frame;
mod json;
mod limits;
mod message;
mod messagepack;
mod protocol;
mod session;
#[cfg(test)]
mod testing;

pub use decode::{decode, split};
pub use error::{DecodeError, EncodeError, HandshakeError, ProtocolError};
pub use frame::Frame;
pub use limits::Limits;
pub use message::arguments::{Arguments, List};
pub use message::handshake::{HandshakeRequest, HandshakeResponse};
pub use message::headers::Headers;
pub use message::raw::{ArgumentIter, RawArguments, RawValue};
pub use message::{CancelInvocation, Close, Completion, CompletionResult, Invocation, Message, StreamItem};
pub use protocol::{Protocol, Protocols};
pub use session::Session;
pub use session::config::{SessionConfig, StatefulConfig};
pub use session::event::{Event, Progress, SessionError};
pub use session::snapshot::SessionSnapshot;
