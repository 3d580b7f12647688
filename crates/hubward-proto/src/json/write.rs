//! Writes JSON messages, their properties in the order that ASP.NET Core uses, and the separator after each.

use std::io::Write;

use serde::Serialize;

use super::split::SEPARATOR;
use super::value;
use crate::error::EncodeError;
use crate::message::arguments::Arguments;
use crate::message::message_type::MessageType;
use crate::protocol::Protocol;

pub(crate) fn write_call<A: Arguments + ?Sized>(
    out: &mut Vec<u8>,
    message_type: MessageType,
    id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), EncodeError> {
    open(out, message_type);
    if let Some(id) = id {
        invocation_id(out, id);
    }
    string(out, b",\"target\":", target);
    out.extend_from_slice(b",\"arguments\":");
    arguments.encode(Protocol::Json, out)?;
    if !stream_ids.is_empty() {
        let mut lead: &[u8] = b",\"streamIds\":[";
        for id in stream_ids {
            string(out, lead, id);
            lead = b",";
        }
        out.push(b']');
    }
    end(out);
    Ok(())
}

pub(crate) fn write_stream_item<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    item: &T,
) -> Result<(), EncodeError> {
    open(out, MessageType::StreamItem);
    invocation_id(out, id);
    out.extend_from_slice(b",\"item\":");
    value::write(out, item)?;
    end(out);
    Ok(())
}

pub(crate) fn write_completion<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    result: &T,
) -> Result<(), EncodeError> {
    open(out, MessageType::Completion);
    invocation_id(out, id);
    out.extend_from_slice(b",\"result\":");
    value::write(out, result)?;
    end(out);
    Ok(())
}

pub(crate) fn write_completion_void(out: &mut Vec<u8>, id: &str) {
    open(out, MessageType::Completion);
    invocation_id(out, id);
    end(out);
}

pub(crate) fn write_completion_error(out: &mut Vec<u8>, id: &str, error: &str) {
    open(out, MessageType::Completion);
    invocation_id(out, id);
    string(out, b",\"error\":", error);
    end(out);
}

pub(crate) fn write_cancel_invocation(out: &mut Vec<u8>, id: &str) {
    open(out, MessageType::CancelInvocation);
    invocation_id(out, id);
    end(out);
}

pub(crate) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    open(out, MessageType::Close);
    if let Some(error) = error {
        string(out, b",\"error\":", error);
    }
    if allow_reconnect {
        out.extend_from_slice(b",\"allowReconnect\":true");
    }
    end(out);
}

pub(crate) fn write_sequence_id(out: &mut Vec<u8>, message_type: MessageType, sequence_id: u64) {
    open(out, message_type);
    // Writing into a Vec does not fail.
    let _ = write!(out, ",\"sequenceId\":{sequence_id}");
    end(out);
}

pub(crate) fn write_handshake_request(out: &mut Vec<u8>, protocol: &str, version: u32) {
    string(out, b"{\"protocol\":", protocol);
    let _ = write!(out, ",\"version\":{version}");
    end(out);
}

pub(crate) fn write_handshake_error(out: &mut Vec<u8>, error: &str) {
    string(out, b"{\"error\":", error);
    end(out);
}

fn open(out: &mut Vec<u8>, message_type: MessageType) {
    out.extend_from_slice(b"{\"type\":");
    // All numbers have one digit.
    out.push(b'0' + message_type.number());
}

fn invocation_id(out: &mut Vec<u8>, id: &str) {
    string(out, b",\"invocationId\":", id);
}

/// Writes `lead` and then a string in quotes.
fn string(out: &mut Vec<u8>, lead: &[u8], string: &str) {
    out.extend_from_slice(lead);
    // Every string has a JSON form, and writing into a Vec does not fail.
    let _ = serde_json::to_writer(out, string);
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'}', SEPARATOR]);
}
