//! Writes MessagePack messages. Not their length prefix, which is put before a message when its length is known.

use rmp::encode as rmp;
use serde::Serialize;

use super::result_kind::ResultKind;
use super::scan::NIL;
use super::value;
use crate::error::EncodeError;
use crate::message::arguments::Arguments;
use crate::message::message_type::MessageType;
use crate::protocol::Protocol;

/// An empty map. Headers are read, but never written.
const NO_HEADERS: u8 = 0x80;

pub(crate) fn write_call<A: Arguments + ?Sized>(
    out: &mut Vec<u8>,
    message_type: MessageType,
    id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), EncodeError> {
    open(out, 6, message_type);
    match id {
        Some(id) => string(out, id),
        None => out.push(NIL),
    }
    string(out, target);
    arguments.encode(Protocol::MessagePack, out)?;
    value::write_array_header(out, stream_ids.len());
    for id in stream_ids {
        string(out, id);
    }
    Ok(())
}

pub(crate) fn write_stream_item<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    item: &T,
) -> Result<(), EncodeError> {
    open(out, 4, MessageType::StreamItem);
    string(out, id);
    value::write(out, item)
}

pub(crate) fn write_completion<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    result: &T,
) -> Result<(), EncodeError> {
    open(out, 5, MessageType::Completion);
    string(out, id);
    out.push(ResultKind::Value.number());
    value::write(out, result)
}

pub(crate) fn write_completion_void(out: &mut Vec<u8>, id: &str) {
    open(out, 4, MessageType::Completion);
    string(out, id);
    out.push(ResultKind::Void.number());
}

pub(crate) fn write_completion_error(out: &mut Vec<u8>, id: &str, error: &str) {
    open(out, 5, MessageType::Completion);
    string(out, id);
    out.push(ResultKind::Error.number());
    string(out, error);
}

pub(crate) fn write_cancel_invocation(out: &mut Vec<u8>, id: &str) {
    open(out, 3, MessageType::CancelInvocation);
    string(out, id);
}

pub(crate) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    out.extend_from_slice(&[array(3), MessageType::Close.number()]);
    match error {
        Some(error) => string(out, error),
        None => out.push(NIL),
    }
    out.push(if allow_reconnect { 0xC3 } else { 0xC2 });
}

pub(crate) fn write_sequence_id(out: &mut Vec<u8>, message_type: MessageType, sequence_id: u64) {
    out.extend_from_slice(&[array(2), message_type.number()]);
    // Writing into a Vec does not fail.
    let _ = rmp::write_uint(out, sequence_id);
}

/// Begins a message of `items` items, type and headers included.
fn open(out: &mut Vec<u8>, items: u8, message_type: MessageType) {
    out.extend_from_slice(&[array(items), message_type.number(), NO_HEADERS]);
}

/// Returns the header of an array of up to 15 items.
const fn array(len: u8) -> u8 {
    0x90 | len
}

fn string(out: &mut Vec<u8>, string: &str) {
    // Writing into a Vec does not fail.
    let _ = rmp::write_str(out, string);
}
