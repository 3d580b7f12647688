//! Errors in what peers send, and in the values that a program sends. Texts that ASP.NET Core has as well are the same
//! to the byte, because clients see them in detailed mode. The errors of a session are in `session/event.rs`.

use crate::protocol::Protocol;

/// .NET's exception for most errors in data.
const INVALID_DATA: &str = "InvalidDataException";

/// A message that breaks the protocol. The peer is at fault, and the connection cannot continue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A message is longer than [`Limits::message_bytes`](crate::Limits::message_bytes).
    #[error(
        "The maximum message size of {limit}B was exceeded. The message size can be configured in AddHubOptions."
    )]
    MessageTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A MessagePack length prefix is malformed, or declares more than 2 GiB.
    #[error("Messages over 2GB in size are not supported.")]
    InvalidLengthPrefix,
    /// A record is not JSON, or is nested deeper than the limit.
    #[error("Error reading JSON.")]
    MalformedJson,
    /// A record is JSON, but not an object.
    #[error("Unexpected JSON Token Type '{found}'. Expected a JSON Object.")]
    NotAnObject {
        /// The type that it has.
        found: &'static str,
    },
    /// A required property is missing.
    #[error("Missing required property '{property}'.")]
    MissingProperty {
        /// The name of the property.
        property: &'static str,
    },
    /// A property has a value of the wrong type.
    #[error("Expected '{property}' to be of type {expected}.")]
    WrongType {
        /// The name of the property.
        property: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// A property is not a boolean.
    #[error("Expected '{property}' to be true or false.")]
    NotBoolean {
        /// The name of the property.
        property: &'static str,
    },
    /// The value of a header is not a string.
    #[error("Expected header '{name}' to be of type String.")]
    HeaderNotAString {
        /// The name of the header.
        name: String,
    },
    /// A stream id is not a string.
    #[error("Cannot get the value of a token type '{found}' as a string.")]
    NotAString {
        /// The type that it has.
        found: &'static str,
    },
    /// An item of a list is null.
    #[error("Null value for '{property}' is not valid.")]
    NullItem {
        /// The name of the list.
        property: &'static str,
    },
    /// A number is not an integer, or is out of range.
    #[error("Either the JSON value is not in a supported format, or is out of bounds for an Int{bits}.")]
    InvalidNumber {
        /// The width of the integer type, in bits.
        bits: u8,
    },
    /// A string has a high surrogate without a low one after it.
    #[error("Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.")]
    MissingLowSurrogate,
    /// A string has a surrogate, or another character, where none or a low surrogate must be.
    #[error("Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0x{unit:X}'.")]
    InvalidSurrogate {
        /// The UTF-16 code unit.
        unit: u16,
    },
    /// A completion has both an error and a result.
    #[error("The 'error' and 'result' properties are mutually exclusive.")]
    ErrorAndResult,
    /// A MessagePack message is not an array.
    #[error("Reading the array of the message failed.")]
    NotAnArray,
    /// An item of a MessagePack message is missing, or has the wrong type.
    #[error("Reading '{field}' as {expected} failed.")]
    Unreadable {
        /// The name of the item.
        field: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// An item of a MessagePack message that must be an array or map is missing, or is something else.
    #[error("Reading {kind} length for '{field}' failed.")]
    UnreadableLength {
        /// `array` or `map`.
        kind: &'static str,
        /// The name of the item.
        field: &'static str,
    },
    /// A string in a MessagePack message is nil or empty, and must not be.
    #[error("Null or empty {what}.")]
    NullOrEmpty {
        /// What the string is.
        what: &'static str,
    },
    /// The result kind of a MessagePack completion is unknown.
    #[error("Invalid invocation result kind.")]
    InvalidResultKind,
    /// A value in a MessagePack message is malformed, or nested deeper than the limit.
    #[error("Reading the value of '{field}' failed.")]
    MalformedValue {
        /// The name of the item that holds it.
        field: &'static str,
    },
    /// A message exceeds one of the [`Limits`](crate::Limits).
    #[error("The message exceeds the limit of {limit} for {what}.")]
    LimitExceeded {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// An Ack is for a message that has not been sent.
    #[error("Ack ID greater than amount of messages we've sent.")]
    AckBeyondSent,
    /// A Sequence skips messages that have not been received.
    #[error("Sequence ID greater than amount of messages we've received.")]
    SequenceBeyondReceived,
    /// A Sequence is not the first message on a transport that resumes a session, or its id is below 1.
    #[error("Sequence message was not expected.")]
    UnexpectedSequence,
}

impl ProtocolError {
    /// Returns the name of the exception that ASP.NET Core shows before the text in detailed mode.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::InvalidNumber { .. } | Self::InvalidLengthPrefix => "FormatException",
            Self::NotAString { .. }
            | Self::MissingLowSurrogate
            | Self::InvalidSurrogate { .. }
            | Self::AckBeyondSent
            | Self::SequenceBeyondReceived
            | Self::UnexpectedSequence => "InvalidOperationException",
            Self::NotAnArray => "MessagePackSerializationException",
            _ => INVALID_DATA,
        }
    }
}

/// A malformed handshake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The record is not JSON.
    #[error("The handshake is not valid JSON.")]
    MalformedJson,
    /// The record is JSON, but not the object that it must be.
    #[error("{0}")]
    Protocol(ProtocolError),
    /// A required property is missing.
    #[error("Missing required property '{property}'. Message content: {content}")]
    MissingProperty {
        /// The name of the property.
        property: &'static str,
        /// The record.
        content: String,
    },
    /// The response to a handshake is a hub message.
    #[error("Expected a handshake response from the server.")]
    NotAResponse,
}

impl From<ProtocolError> for HandshakeError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::MalformedJson => Self::MalformedJson,
            error => Self::Protocol(error),
        }
    }
}

impl HandshakeError {
    /// Returns the name of the exception that ASP.NET Core shows before the text in detailed mode.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::MalformedJson => "JsonReaderException",
            Self::Protocol(error) => error.exception(),
            Self::MissingProperty { .. } | Self::NotAResponse => INVALID_DATA,
        }
    }
}

/// A value that cannot be encoded. The program that sends it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value cannot be encoded as JSON.
    #[error("a value cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// The value cannot be encoded as MessagePack.
    #[error("a value cannot be written as MessagePack")]
    MessagePack(#[source] rmp_serde::encode::Error),
}

/// A value that does not have the expected type. Its sender is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The JSON value does not have the type.
    #[error("a JSON value does not fit its type")]
    Json(#[source] serde_json::Error),
    /// The MessagePack value does not have the type.
    #[error("a MessagePack value does not fit its type")]
    MessagePack(#[source] rmp_serde::decode::Error),
}

impl DecodeError {
    /// Returns the protocol that the value was encoded in.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Json(_) => Protocol::Json,
            Self::MessagePack(_) => Protocol::MessagePack,
        }
    }
}
