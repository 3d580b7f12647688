//! Values that are not yet decoded: which bytes they are is known, and that they are well formed, but not what type
//! they have. They are decoded where the method's types are known.

use std::fmt;

use serde::Deserialize;

use crate::{DecodeError, Limits, Protocol, ProtocolError, json, messagepack};

/// One value of a message, as the bytes of its protocol.
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
    /// Takes `bytes` for a value. They are not checked; what is wrong with them shows in
    /// [`deserialize`](Self::deserialize).
    pub fn new(protocol: Protocol, bytes: &'a [u8]) -> Self {
        Self { protocol, bytes }
    }

    /// Returns the protocol whose form the value has.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Decodes the value; texts may borrow from it.
    ///
    /// # Errors
    ///
    /// Where the value is not of this type.
    pub fn deserialize<T: Deserialize<'a>>(&self) -> Result<T, DecodeError> {
        match self.protocol {
            Protocol::Json => serde_json::from_slice(self.bytes).map_err(DecodeError::Json),
            Protocol::MessagePack => {
                let mut deserializer = rmp_serde::Deserializer::from_read_ref(self.bytes);
                deserializer.set_max_depth(Limits::DEEPEST);
                T::deserialize(&mut deserializer).map_err(DecodeError::MessagePack)
            }
        }
    }

    /// Tells whether the value is null (JSON) or nil (MessagePack).
    pub fn is_null(&self) -> bool {
        match self.protocol {
            Protocol::Json => self.bytes == b"null",
            Protocol::MessagePack => self.bytes == [messagepack::NIL],
        }
    }
}

/// Shows protocol and length only: values are the users' and belong in no log.
impl fmt::Debug for RawValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawValue({}, {} bytes)", self.protocol.name(), self.bytes.len())
    }
}

/// The arguments of a call, as the bytes of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawArguments<'a> {
    protocol: Protocol,
    bytes: &'a [u8],
    len: usize,
}

impl<'a> RawArguments<'a> {
    /// Takes an array of values, brackets or array header included.
    ///
    /// # Errors
    ///
    /// Where it is no array, is malformed, or exceeds `limits`.
    pub fn new(protocol: Protocol, bytes: &'a [u8], limits: &Limits) -> Result<Self, ProtocolError> {
        let len = match protocol {
            Protocol::Json => json::check_arguments(bytes, limits)?,
            Protocol::MessagePack => messagepack::check_arguments(bytes, limits)?,
        };
        Ok(Self { protocol, bytes, len })
    }

    /// Takes what a decoder has already checked.
    pub(crate) fn checked(protocol: Protocol, bytes: &'a [u8], len: usize) -> Self {
        Self { protocol, bytes, len }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the protocol whose form they have.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the bytes of the array.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Iterates over the values.
    pub fn iter(&self) -> ArgumentIter<'a> {
        let rest = match self.protocol {
            Protocol::Json => self.bytes.get(1..).unwrap_or_default(),
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

/// Shows protocol, count and length only: values are the users' and belong in no log.
impl fmt::Debug for RawArguments<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawArguments({}, {}, {} bytes)", self.protocol.name(), self.len, self.bytes.len())
    }
}

/// The arguments of a call, one after the other.
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
