//! The MessagePack form: an array behind its length in base 128. `json.rs` shows the same items in the same order.

mod read;
mod scan;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{array_items, check_arguments, decode, next_argument};
pub(crate) use write::{
    put_prefix, write_array_header, write_call, write_cancel_invocation, write_close, write_completion,
    write_completion_error, write_completion_void, write_numbered, write_stream_item, write_value,
};

use crate::{Limits, ProtocolError};

/// The byte of nil.
pub(crate) const NIL: u8 = 0xC0;
/// The longest length prefix: 2 GiB take five groups of seven bits.
pub(crate) const PREFIX_SPACE: usize = 5;

pub(crate) fn split<'a>(
    input: &'a [u8],
    limits: &Limits,
) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
    let Some((len, prefix_len)) = read_prefix(input)? else { return Ok(None) };
    let end = prefix_len + len;
    match limits.message_bytes {
        Some(limit) if end > limit => Err(ProtocolError::MessageTooLarge { limit }),
        _ => Ok(input.get(prefix_len..end).map(|record| (record, end))),
    }
}

/// Reads the length of a message, and of the prefix itself.
fn read_prefix(input: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    let mut len = 0;
    for (index, byte) in input.iter().take(PREFIX_SPACE).enumerate() {
        // The fifth group has room for three bits of the 31.
        if index + 1 == PREFIX_SPACE && *byte > 0x07 {
            return Err(ProtocolError::InvalidLengthPrefix);
        }
        len |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((len, index + 1)));
        }
    }
    Ok(None)
}
