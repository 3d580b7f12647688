//! Values that are not decoded yet: their bytes are known to be well formed, but not their types. They are decoded
//! where the types of the method's parameters are known.

use std::fmt;

use serde::Deserialize;

use crate::error::{DecodeError, ProtocolError};
use crate::json::value as json;
use crate::limits::Limits;
use crate::messagepack::value as messagepack;
use crate::protocol::Protocol;

/// One value of a message, still encoded.
///
/// ```
/// use hubward_proto::{Protocol, RawValue};
///
/// let value = RawValue::new(Protocol::Json, b"[1,2]");
/// assert_eq!(value.deserialize::<Vec<u8>>()?, [1, 2]);
/// # Ok::<(), hubward_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawValue<'a> {
    protocol: Protocol,
    bytes: &'a [u8],
}

impl<'a> RawValue<'a> {
    /// Wraps the bytes of a value. They are not checked; malformed ones fail to [`deserialize`](Self::deserialize).
    pub fn new(protocol: Protocol, bytes: &'a [u8]) -> Self {
        Self { protocol, bytes }
    }

    /// Returns the protocol that the value is encoded in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Decodes the value; strings may borrow from it.
    ///
    /// # Errors
    ///
    /// If the value does not have this type.
    pub fn deserialize<T: Deserialize<'a>>(&self) -> Result<T, DecodeError> {
        match self.protocol {
            Protocol::Json => json::read(self.bytes),
            Protocol::MessagePack => messagepack::read(self.bytes),
        }
    }

    /// Returns whether the value is null (JSON) or nil (MessagePack).
    pub fn is_null(&self) -> bool {
        match self.protocol {
            Protocol::Json => json::is_null(self.bytes),
            Protocol::MessagePack => messagepack::is_null(self.bytes),
        }
    }
}

/// Shows protocol and length only: values are user data, which no log may hold.
impl fmt::Debug for RawValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawValue({}, {} bytes)", self.protocol.name(), self.bytes.len())
    }
}

/// The arguments of a call, still encoded as an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawArguments<'a> {
    protocol: Protocol,
    bytes: &'a [u8],
    len: usize,
}

impl<'a> RawArguments<'a> {
    /// Checks and wraps the bytes of an array of values, with its brackets or array header.
    ///
    /// # Errors
    ///
    /// If the bytes are not an array, are malformed, or exceed `limits`.
    pub fn new(protocol: Protocol, bytes: &'a [u8], limits: &Limits) -> Result<Self, ProtocolError> {
        let len = match protocol {
            Protocol::Json => json::check_arguments(bytes, limits)?,
            Protocol::MessagePack => messagepack::check_arguments(bytes, limits)?,
        };
        Ok(Self { protocol, bytes, len })
    }

    /// Wraps an array that a decoder has already checked.
    pub(crate) fn checked(protocol: Protocol, bytes: &'a [u8], len: usize) -> Self {
        Self { protocol, bytes, len }
    }

    /// Returns the number of arguments.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the protocol that they are encoded in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the bytes of the array.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Iterates over the arguments.
    pub fn iter(&self) -> ArgumentIter<'a> {
        let rest = match self.protocol {
            Protocol::Json => json::array_items(self.bytes),
            Protocol::MessagePack => messagepack::array_items(self.bytes),
        };
        ArgumentIter { protocol: self.protocol, rest, left: self.len }
    }
}

/// No arguments.
impl Default for RawArguments<'static> {
    fn default() -> Self {
        Self { protocol: Protocol::Json, bytes: b"[]", len: 0 }
    }
}

impl<'a> IntoIterator for RawArguments<'a> {
    type Item = RawValue<'a>;
    type IntoIter = ArgumentIter<'a>;

    fn into_iter(self) -> ArgumentIter<'a> {
        self.iter()
    }
}

/// Shows protocol, count and length only: values are user data, which no log may hold.
impl fmt::Debug for RawArguments<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawArguments({}, {}, {} bytes)", self.protocol.name(), self.len, self.bytes.len())
    }
}

/// An iterator over the arguments of a call.
#[derive(Clone, Debug)]
pub struct ArgumentIter<'a> {
    protocol: Protocol,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for ArgumentIter<'a> {
    type Item = RawValue<'a>;

    fn next(&mut self) -> Option<RawValue<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (value, rest) = match self.protocol {
            Protocol::Json => json::next_argument(self.rest),
            Protocol::MessagePack => messagepack::next_argument(self.rest),
        }?;
        self.rest = rest;
        Some(RawValue::new(self.protocol, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ArgumentIter<'_> {}
