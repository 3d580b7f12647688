//! JSON values on their own: from and to a program's types, and one after the other in an array of arguments. Messages
//! around them are read and written elsewhere.

use serde::{Deserialize, Serialize};

use super::reader::Reader;
use super::scan::Scanner;
use crate::error::{DecodeError, EncodeError, ProtocolError};
use crate::limits::Limits;

pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes).map_err(DecodeError::Json)
}

pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    serde_json::to_writer(out, value).map_err(EncodeError::Json)
}

pub(crate) fn is_null(bytes: &[u8]) -> bool {
    bytes == b"null"
}

/// Checks an array of arguments that did not come in a message, and counts them.
pub(crate) fn check_arguments(bytes: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    let mut reader = Reader::new(bytes, limits)?;
    let (_, len) = reader.arguments()?;
    if reader.is_at_end() { Ok(len) } else { Err(ProtocolError::MalformedJson) }
}

/// Skips the bracket of a checked array.
pub(crate) fn array_items(array: &[u8]) -> &[u8] {
    array.get(1..).unwrap_or_default()
}

/// Takes the next argument from what is left of a checked array, and the comma or bracket after it.
pub(crate) fn next_argument(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut scanner = Scanner::new(rest);
    scanner.peek().ok()?;
    let start = scanner.position();
    scanner.value(Limits::DEEPEST).ok()?;
    let value = scanner.bytes_from(start);
    scanner.take().ok()?;
    Some((value, scanner.rest()))
}
