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
//! let Some(Message::Invocation(call)) = decode(Protocol::Json, record, &limits)? else { return Err("no call".into()) };
//! assert_eq!(call.target, "Add");
//! let first: i32 = call.arguments.iter().next().ok_or("no argument")?.deserialize()?;
//! assert_eq!(first, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arguments;
mod decode;
pub mod encode;
mod error;
mod frame;
mod handshake;
mod headers;
mod json;
mod limits;
mod message;
mod messagepack;
mod protocol;
mod raw;
mod session;
#[cfg(test)]
mod testing;

pub use crate::{
    arguments::{Arguments, List},
    decode::{decode, split},
    error::{DecodeError, EncodeError, HandshakeError, ProtocolError},
    frame::Frame,
    handshake::{HandshakeRequest, HandshakeResponse},
    headers::Headers,
    limits::Limits,
    message::{CancelInvocation, Close, Completion, CompletionResult, Invocation, Message, StreamItem},
    protocol::{Protocol, Protocols},
    raw::{ArgumentIter, RawArguments, RawValue},
    session::{Event, Progress, Session, SessionConfig, SessionError, StatefulConfig},
};
