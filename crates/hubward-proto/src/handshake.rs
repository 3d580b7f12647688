//! The handshake's two records. They are JSON whatever protocol they agree on, so they are read by `json`; what a
//! server makes of a request is the session's matter.

use std::borrow::Cow;

use crate::{HandshakeError, Limits, json};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeRequest<'a> {
    /// The name of the protocol, as the client spells it.
    pub protocol: Cow<'a, str>,
    /// The version, of which 2 stands for stateful reconnect. Not yet known to be one that exists.
    pub version: i32,
}

impl<'a> HandshakeRequest<'a> {
    /// Reads a request from its record, without the separator.
    ///
    /// # Errors
    ///
    /// Where it is no JSON object with a `protocol` and a `version`.
    pub fn decode(record: &'a [u8], limits: &Limits) -> Result<Self, HandshakeError> {
        json::read_handshake_request(record, limits)
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeResponse<'a> {
    /// Why it refuses; `None` where it agrees.
    pub error: Option<Cow<'a, str>>,
}

impl<'a> HandshakeResponse<'a> {
    /// Reads an answer from its record, without the separator.
    ///
    /// # Errors
    ///
    /// Where it is no JSON object, or a hub message.
    pub fn decode(record: &'a [u8], limits: &Limits) -> Result<Self, HandshakeError> {
        json::read_handshake_response(record, limits)
    }
}
