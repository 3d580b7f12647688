//! Finds where a JSON message ends: each is a record with the byte 0x1E at its end. It does not read the record.

use crate::error::ProtocolError;
use crate::limits::Limits;

/// The byte that ends a record: ASCII's record separator, which JSON cannot hold unescaped.
pub(super) const SEPARATOR: u8 = 0x1E;

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
