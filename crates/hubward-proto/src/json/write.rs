//! Writing JSON messages, in the order of properties that ASP.NET Core uses. The separator is part of the message.

use std::io::Write;

use serde::Serialize;

use super::SEPARATOR;
use crate::{Arguments, EncodeError};

pub(crate) fn write_call<A: Arguments + ?Sized>(
    out: &mut Vec<u8>,
    kind: u8,
    id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), EncodeError> {
    open(out, kind);
    if let Some(id) = id {
        text(out, b",\"invocationId\":", id);
    }
    text(out, b",\"target\":", target);
    out.extend_from_slice(b",\"arguments\":");
    arguments.encode(crate::Protocol::Json, out)?;
    if !stream_ids.is_empty() {
        let mut lead: &[u8] = b",\"streamIds\":[";
        for id in stream_ids {
            text(out, lead, id);
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
    open(out, 2);
    text(out, b",\"invocationId\":", id);
    out.extend_from_slice(b",\"item\":");
    write_value(out, item)?;
    end(out);
    Ok(())
}

pub(crate) fn write_completion<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    result: &T,
) -> Result<(), EncodeError> {
    open(out, 3);
    text(out, b",\"invocationId\":", id);
    out.extend_from_slice(b",\"result\":");
    write_value(out, result)?;
    end(out);
    Ok(())
}

pub(crate) fn write_completion_void(out: &mut Vec<u8>, id: &str) {
    open(out, 3);
    text(out, b",\"invocationId\":", id);
    end(out);
}

pub(crate) fn write_completion_error(out: &mut Vec<u8>, id: &str, error: &str) {
    open(out, 3);
    text(out, b",\"invocationId\":", id);
    text(out, b",\"error\":", error);
    end(out);
}

pub(crate) fn write_cancel_invocation(out: &mut Vec<u8>, id: &str) {
    open(out, 5);
    text(out, b",\"invocationId\":", id);
    end(out);
}

pub(crate) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    open(out, 7);
    if let Some(error) = error {
        text(out, b",\"error\":", error);
    }
    if allow_reconnect {
        out.extend_from_slice(b",\"allowReconnect\":true");
    }
    end(out);
}

pub(crate) fn write_numbered(out: &mut Vec<u8>, kind: u8, sequence_id: u64) {
    open(out, kind);
    // Writing into a Vec does not fail.
    let _ = write!(out, ",\"sequenceId\":{sequence_id}");
    end(out);
}

pub(crate) fn write_handshake_request(out: &mut Vec<u8>, protocol: &str, version: u32) {
    text(out, b"{\"protocol\":", protocol);
    let _ = write!(out, ",\"version\":{version}");
    end(out);
}

pub(crate) fn write_handshake_error(out: &mut Vec<u8>, error: &str) {
    text(out, b"{\"error\":", error);
    end(out);
}

pub(crate) fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    serde_json::to_writer(out, value).map_err(EncodeError::Json)
}

fn open(out: &mut Vec<u8>, kind: u8) {
    out.extend_from_slice(b"{\"type\":");
    out.push(b'0' + kind);
}

/// Writes what leads to a text, and the text.
fn text(out: &mut Vec<u8>, lead: &[u8], text: &str) {
    out.extend_from_slice(lead);
    // A text has a form in JSON, and writing into a Vec does not fail.
    let _ = serde_json::to_writer(out, text);
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'}', SEPARATOR]);
}
