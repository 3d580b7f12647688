//! The two records of the handshake. They are JSON whatever protocol they agree on. The session decides how a server
//! responds to a request.

use std::borrow::Cow;

use crate::error::HandshakeError;
use crate::json::reader::Reader;
use crate::limits::Limits;

/// The first record of a client: the protocol that it wants to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeRequest<'a> {
    /// The name of the protocol, as the client spells it.
    pub protocol: Cow<'a, str>,
    /// The version of the protocol; 2 stands for stateful reconnect. It is not checked here.
    pub version: i32,
}

impl<'a> HandshakeRequest<'a> {
    /// Reads a request from its record, without the separator.
    ///
    /// # Errors
    ///
    /// If the record is not a JSON object with a `protocol` and a `version`.
    pub fn decode(record: &'a [u8], limits: &Limits) -> Result<Self, HandshakeError> {
        let (mut protocol, mut version) = (None, None);
        Reader::new(record, limits)?.object(|reader, name| {
            match &*name {
                "protocol" => protocol = Some(reader.string("protocol")?),
                "version" => {
                    version = reader.integer("version", 32)?.and_then(|version| i32::try_from(version).ok())
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let missing = |property| HandshakeError::MissingProperty {
            property,
            content: String::from_utf8_lossy(record).into(),
        };
        Ok(Self {
            protocol: protocol.ok_or_else(|| missing("protocol"))?,
            version: version.ok_or_else(|| missing("version"))?,
        })
    }
}

/// The first record of a server: whether it agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeResponse<'a> {
    /// Why the server refuses; `None` if it agrees.
    pub error: Option<Cow<'a, str>>,
}

impl<'a> HandshakeResponse<'a> {
    /// Reads a response from its record, without the separator.
    ///
    /// # Errors
    ///
    /// If the record is not a JSON object, or is a hub message.
    pub fn decode(record: &'a [u8], limits: &Limits) -> Result<Self, HandshakeError> {
        let (mut error, mut is_hub_message) = (None, false);
        Reader::new(record, limits)?.object(|reader, name| {
            match &*name {
                "error" => error = reader.nullable_string("error")?.or(error.take()),
                "type" => {
                    is_hub_message = true;
                    reader.skip()?;
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if is_hub_message { Err(HandshakeError::NotAResponse) } else { Ok(Self { error }) }
    }
}
