//! Writing MessagePack messages. The length prefix comes last ([`put_prefix`]), when the length is known.

use rmp::encode as rmp;
use serde::Serialize;

use super::{NIL, PREFIX_SPACE};
use crate::{Arguments, EncodeError, Protocol};

/// The byte of an empty map: no headers.
const NO_HEADERS: u8 = 0x80;
/// The kinds of a completion.
const ERROR: u8 = 1;
const VOID: u8 = 2;
const RESULT: u8 = 3;

pub(crate) fn write_call<A: Arguments + ?Sized>(
    out: &mut Vec<u8>,
    kind: u8,
    id: Option<&str>,
    target: &str,
    arguments: &A,
    stream_ids: &[&str],
) -> Result<(), EncodeError> {
    out.extend_from_slice(&[array(6), kind, NO_HEADERS]);
    match id {
        Some(id) => text(out, id),
        None => out.push(NIL),
    }
    text(out, target);
    arguments.encode(Protocol::MessagePack, out)?;
    write_array_header(out, stream_ids.len());
    for id in stream_ids {
        text(out, id);
    }
    Ok(())
}

pub(crate) fn write_stream_item<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    item: &T,
) -> Result<(), EncodeError> {
    out.extend_from_slice(&[array(4), 2, NO_HEADERS]);
    text(out, id);
    write_value(out, item)
}

pub(crate) fn write_completion<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &str,
    result: &T,
) -> Result<(), EncodeError> {
    out.extend_from_slice(&[array(5), 3, NO_HEADERS]);
    text(out, id);
    out.push(RESULT);
    write_value(out, result)
}

pub(crate) fn write_completion_void(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(&[array(4), 3, NO_HEADERS]);
    text(out, id);
    out.push(VOID);
}

pub(crate) fn write_completion_error(out: &mut Vec<u8>, id: &str, error: &str) {
    out.extend_from_slice(&[array(5), 3, NO_HEADERS]);
    text(out, id);
    out.push(ERROR);
    text(out, error);
}

pub(crate) fn write_cancel_invocation(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(&[array(3), 5, NO_HEADERS]);
    text(out, id);
}

pub(crate) fn write_close(out: &mut Vec<u8>, error: Option<&str>, allow_reconnect: bool) {
    out.extend_from_slice(&[array(3), 7]);
    match error {
        Some(error) => text(out, error),
        None => out.push(NIL),
    }
    out.push(if allow_reconnect { 0xC3 } else { 0xC2 });
}

pub(crate) fn write_numbered(out: &mut Vec<u8>, kind: u8, sequence_id: u64) {
    out.extend_from_slice(&[array(2), kind]);
    // Writing into a Vec does not fail.
    let _ = rmp::write_uint(out, sequence_id);
}

pub(crate) fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    rmp_serde::encode::write_named(out, value).map_err(EncodeError::MessagePack)
}

pub(crate) fn write_array_header(out: &mut Vec<u8>, len: usize) {
    // More than 2^32 items do not fit into the memory that they would come from.
    let _ = rmp::write_array_len(out, u32::try_from(len).unwrap_or(u32::MAX));
}

/// Puts the length of the message that starts at `start` before it, and returns where the prefix starts.
pub(crate) fn put_prefix(out: &mut [u8], start: usize) -> usize {
    let mut rest = out.len().saturating_sub(start);
    let mut prefix = [0; PREFIX_SPACE];
    let mut len = 0;
    for byte in &mut prefix {
        *byte = (rest & 0x7F) as u8;
        rest >>= 7;
        len += 1;
        if rest == 0 {
            break;
        }
        *byte |= 0x80;
    }
    let begin = start.saturating_sub(len);
    for (to, from) in out.iter_mut().skip(begin).zip(prefix.iter().take(len)) {
        *to = *from;
    }
    begin
}

/// The byte of an array of up to 15 items.
const fn array(len: u8) -> u8 {
    0x90 | len
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Writing into a Vec does not fail.
    let _ = rmp::write_str(out, text);
}
