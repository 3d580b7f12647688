//! MessagePack values on their own: from and to a program's types, and one after the other in an array of arguments.
//! Messages around them are read and written elsewhere.

use serde::{Deserialize, Serialize};

use super::reader::Reader;
use super::scan::{NIL, Scanner};
use crate::error::{DecodeError, EncodeError, ProtocolError};
use crate::limits::Limits;

pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(Limits::DEEPEST);
    T::deserialize(&mut deserializer).map_err(DecodeError::MessagePack)
}

pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    rmp_serde::encode::write_named(out, value).map_err(EncodeError::MessagePack)
}

pub(crate) fn write_array_header(out: &mut Vec<u8>, len: usize) {
    // More than 2^32 items do not fit into the memory that they would come from, and writing into a Vec does not fail.
    let _ = rmp::encode::write_array_len(out, u32::try_from(len).unwrap_or(u32::MAX));
}

pub(crate) fn is_null(bytes: &[u8]) -> bool {
    bytes == [NIL]
}

/// Checks an array of arguments that did not come in a message, and counts them.
pub(crate) fn check_arguments(bytes: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    let mut reader = Reader::single(bytes, limits);
    let (_, len) = reader.arguments()?;
    if reader.is_at_end() { Ok(len) } else { Err(ProtocolError::MalformedValue { field: "arguments" }) }
}

/// Skips the header of a checked array.
pub(crate) fn array_items(array: &[u8]) -> &[u8] {
    let mut scanner = Scanner::new(array);
    if scanner.array().is_ok() { scanner.rest() } else { &[] }
}

/// Takes the next argument from what is left of a checked array.
pub(crate) fn next_argument(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut scanner = Scanner::new(rest);
    scanner.value(Limits::DEEPEST).ok()?;
    Some((scanner.bytes_from(0), scanner.rest()))
}
