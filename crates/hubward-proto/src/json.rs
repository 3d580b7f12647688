//! The JSON form: records that end with the byte 0x1E. `messagepack.rs` shows the same items in the same order.

mod read;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{
    check_arguments, decode, next_argument, read_handshake_request, read_handshake_response,
};
pub(crate) use write::{
    write_call, write_cancel_invocation, write_close, write_completion, write_completion_error,
    write_completion_void, write_handshake_error, write_handshake_request, write_numbered, write_stream_item,
    write_value,
};

use crate::{Limits, ProtocolError};

/// The byte that ends a record: ASCII's record separator, which JSON cannot hold unescaped.
pub(crate) const SEPARATOR: u8 = 0x1E;

pub(crate) fn split<'a>(
    input: &'a [u8],
    searched: usize,
    limits: &Limits,
) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
    let window = match limits.message_bytes {
        Some(limit) => input.get(..limit).unwrap_or(input),
        None => input,
    };
    let searched = searched.min(window.len());
    let found =
        window.get(searched..).and_then(|rest| memchr::memchr(SEPARATOR, rest)).map(|at| at + searched);
    match (found, limits.message_bytes) {
        (Some(end), _) => Ok(window.get(..end).map(|record| (record, end + 1))),
        (None, Some(limit)) if input.len() > limit => Err(ProtocolError::MessageTooLarge { limit }),
        (None, _) => Ok(None),
    }
}
