//! Finds where a MessagePack message ends: each has its length as a prefix, seven bits in a byte, the lowest first. It
//! does not read the message.

use crate::error::ProtocolError;
use crate::limits::Limits;

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

/// Reads the length of a message, and the length of the prefix itself.
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

/// Writes the length of the message that starts at `start` into the bytes before it, and returns where the prefix
/// starts.
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
