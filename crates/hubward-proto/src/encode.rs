//! Writes hub messages into [`Frame`]s: one function for each message, in both protocols. Values are written from where
//! they are; no message is built in between.

use serde::Serialize;

use crate::error::EncodeError;
use crate::frame::{Frame, HEADER_SPACE, KEPT_BYTES};
use crate::json;
use crate::message::arguments::Arguments;
use crate::message::message_type::MessageType;
use crate::messagepack::{self, PREFIX_SPACE};
use crate::protocol::Protocol;

/// Writes an Invocation (type 1). With an id, the recipient sends a Completion.
///
/// ```
/// use hubward_proto::{Protocol, encode};
///
/// let frame = encode::invocation(Protocol::MessagePack, None, "vitals", &(36.6,))?;
/// assert_eq!(frame.websocket()[0], 0x82);
/// # Ok::<(), hubward_proto::EncodeError>(())
/// ```
///
/// # Errors
///
/// If an argument cannot be encoded in this protocol.
pub fn invocation<A: Arguments + ?Sized>(
    protocol: Protocol,
    id: Option<&str>,
    target: &str,
    arguments: &A,
) -> Result<Frame, EncodeError> {
    call(protocol, MessageType::Invocation, id, target, arguments, &[])
}

/// Writes an Invocation (type 1) that uploads the named streams.
///
/// # Errors
///
/// If an argument cannot be encoded in this protocol.
pub fn invocation_with_streams<A: Arguments + ?Sized>(
    protocol: Protocol,
    id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<Frame, EncodeError> {
    call(protocol, MessageType::Invocation, id, target, arguments, stream_ids)
}

/// Writes a StreamInvocation (type 4), which may upload streams too.
///
/// # Errors
///
/// If an argument cannot be encoded in this protocol.
pub fn stream_invocation<A: Arguments + ?Sized>(
    protocol: Protocol,
    id: &str,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<Frame, EncodeError> {
    call(protocol, MessageType::StreamInvocation, Some(id), target, arguments, stream_ids)
}

/// Writes a StreamItem (type 2).
///
/// # Errors
///
/// If the item cannot be encoded in this protocol.
pub fn stream_item<T: Serialize + ?Sized>(
    protocol: Protocol,
    id: &str,
    item: &T,
) -> Result<Frame, EncodeError> {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_stream_item(&mut out, id, item)?,
        Protocol::MessagePack => messagepack::write_stream_item(&mut out, id, item)?,
    }
    Ok(finish(out, protocol, MessageType::StreamItem))
}

/// Writes a Completion (type 3) with a result; `()` gives the null result of a method that returns nothing.
///
/// # Errors
///
/// If the result cannot be encoded in this protocol.
pub fn completion<T: Serialize + ?Sized>(
    protocol: Protocol,
    id: &str,
    result: &T,
) -> Result<Frame, EncodeError> {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_completion(&mut out, id, result)?,
        Protocol::MessagePack => messagepack::write_completion(&mut out, id, result)?,
    }
    Ok(finish(out, protocol, MessageType::Completion))
}

/// Writes a Completion (type 3) without a result: the end of a stream.
pub fn completion_void(protocol: Protocol, id: &str) -> Frame {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_completion_void(&mut out, id),
        Protocol::MessagePack => messagepack::write_completion_void(&mut out, id),
    }
    finish(out, protocol, MessageType::Completion)
}

/// Writes a Completion (type 3) with an error.
pub fn completion_error(protocol: Protocol, id: &str, error: &str) -> Frame {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_completion_error(&mut out, id, error),
        Protocol::MessagePack => messagepack::write_completion_error(&mut out, id, error),
    }
    finish(out, protocol, MessageType::Completion)
}

/// Writes a CancelInvocation (type 5).
pub fn cancel_invocation(protocol: Protocol, id: &str) -> Frame {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_cancel_invocation(&mut out, id),
        Protocol::MessagePack => messagepack::write_cancel_invocation(&mut out, id),
    }
    finish(out, protocol, MessageType::CancelInvocation)
}

/// Returns a Ping (type 6). It is a constant, and costs no allocation.
pub fn ping(protocol: Protocol) -> Frame {
    match protocol {
        Protocol::Json => Frame::fixed(b"\x81\x0b{\"type\":6}\x1e"),
        Protocol::MessagePack => Frame::fixed(b"\x82\x03\x02\x91\x06"),
    }
}

/// Writes a Close (type 7).
pub fn close(protocol: Protocol, error: Option<&str>, allow_reconnect: bool) -> Frame {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_close(&mut out, error, allow_reconnect),
        Protocol::MessagePack => messagepack::write_close(&mut out, error, allow_reconnect),
    }
    finish(out, protocol, MessageType::Close)
}

/// Writes an Ack (type 8): all counted messages up to `sequence_id` have arrived.
pub fn ack(protocol: Protocol, sequence_id: u64) -> Frame {
    with_sequence_id(protocol, MessageType::Ack, sequence_id)
}

/// Writes a Sequence (type 9): `sequence_id` is the id of the next counted message on this transport.
pub fn sequence(protocol: Protocol, sequence_id: u64) -> Frame {
    with_sequence_id(protocol, MessageType::Sequence, sequence_id)
}

/// Writes a handshake request. It is JSON whatever the protocol; the frame's opcode is the protocol's.
pub fn handshake_request(protocol: Protocol, version: u32) -> Frame {
    let mut out = begin();
    json::write_handshake_request(&mut out, protocol.name(), version);
    Frame::build(out, START, protocol.is_binary(), false)
}

/// Writes the response to a handshake. It is JSON whatever the protocol; the frame's opcode is the protocol's.
pub fn handshake_response(protocol: Protocol, error: Option<&str>) -> Frame {
    match (error, protocol) {
        (None, Protocol::Json) => Frame::fixed(b"\x81\x03{}\x1e"),
        (None, Protocol::MessagePack) => Frame::fixed(b"\x82\x03{}\x1e"),
        (Some(error), _) => {
            let mut out = begin();
            json::write_handshake_error(&mut out, error);
            Frame::build(out, START, protocol.is_binary(), false)
        }
    }
}

fn call<A: Arguments + ?Sized>(
    protocol: Protocol,
    message_type: MessageType,
    id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<Frame, EncodeError> {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_call(&mut out, message_type, id, target, arguments, stream_ids)?,
        Protocol::MessagePack => {
            messagepack::write_call(&mut out, message_type, id, target, arguments, stream_ids)?
        }
    }
    Ok(finish(out, protocol, message_type))
}

fn with_sequence_id(protocol: Protocol, message_type: MessageType, sequence_id: u64) -> Frame {
    let mut out = begin();
    match protocol {
        Protocol::Json => json::write_sequence_id(&mut out, message_type, sequence_id),
        Protocol::MessagePack => messagepack::write_sequence_id(&mut out, message_type, sequence_id),
    }
    finish(out, protocol, message_type)
}

/// Where a message starts: after room for the WebSocket header and for MessagePack's length.
const START: usize = HEADER_SPACE + PREFIX_SPACE;

/// Begins a message with room for most; growing once more costs little.
fn begin() -> Vec<u8> {
    let mut out = Vec::with_capacity(KEPT_BYTES);
    out.extend_from_slice(&[0; START]);
    out
}

fn finish(mut out: Vec<u8>, protocol: Protocol, message_type: MessageType) -> Frame {
    let start = match protocol {
        Protocol::Json => START,
        Protocol::MessagePack => messagepack::put_prefix(&mut out, START),
    };
    Frame::build(out, start, protocol.is_binary(), message_type.is_counted())
}
