//! Reads hub messages in two steps: [`split`] finds where a message ends, [`decode`] reads it. Neither allocates in the
//! common case, and neither panics on any input.

use crate::error::ProtocolError;
use crate::json;
use crate::limits::Limits;
use crate::message::Message;
use crate::messagepack;
use crate::protocol::Protocol;

/// Finds the first message of `input`. Returns the record without its separator or length prefix, and how many bytes to
/// consume, which includes those; `None` if the message is not complete yet.
///
/// # Errors
///
/// [`ProtocolError::MessageTooLarge`] as soon as it is certain that the message exceeds the limit.
pub fn split<'a>(
    protocol: Protocol,
    input: &'a [u8],
    limits: &Limits,
) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
    split_from(protocol, input, 0, limits)
}

/// Does the same as [`split`] where the first `searched` bytes are known to hold no separator, so that a long message
/// that arrives in small pieces is not searched from its beginning each time.
pub(crate) fn split_from<'a>(
    protocol: Protocol,
    input: &'a [u8],
    searched: usize,
    limits: &Limits,
) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
    match protocol {
        Protocol::Json => json::split(input, searched, limits),
        Protocol::MessagePack => messagepack::split(input, limits),
    }
}

/// Reads a message from its record; `None` if its type is unknown, and the message is to be skipped.
///
/// Arguments, items and results are not decoded, but they are checked: JSON for its grammar, UTF-8 and depth,
/// MessagePack for its structure and depth.
///
/// # Errors
///
/// If the record is malformed, lacks what its type requires, or exceeds `limits`.
pub fn decode<'a>(
    protocol: Protocol,
    record: &'a [u8],
    limits: &Limits,
) -> Result<Option<Message<'a>>, ProtocolError> {
    match protocol {
        Protocol::Json => json::decode(record, limits),
        Protocol::MessagePack => messagepack::decode(record, limits),
    }
}
