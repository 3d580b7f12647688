//! What can be wrong with bytes from outside and values from inside. Each says it in ASP.NET Core's words where there
//! are such, so that what a client is told in detailed mode reads the same. Session errors are with the session.

use crate::Protocol;

const INVALID_DATA: &str = "InvalidDataException";

/// A message breaks the protocol. The peer is at fault, and the connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A message is longer than [`Limits::message_bytes`](crate::Limits::message_bytes).
    #[error(
        "The maximum message size of {limit}B was exceeded. The message size can be configured in AddHubOptions."
    )]
    MessageTooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// A MessagePack length prefix is none, or says more than 2 GiB.
    #[error("Messages over 2GB in size are not supported.")]
    InvalidLengthPrefix,
    /// A record is no JSON, or deeper than the limit.
    #[error("Error reading JSON.")]
    MalformedJson,
    /// A record is JSON, but no object.
    #[error("Unexpected JSON Token Type '{found}'. Expected a JSON Object.")]
    NotAnObject {
        /// What it is instead.
        found: &'static str,
    },
    /// A property that the message must have is not there.
    #[error("Missing required property '{property}'.")]
    MissingProperty {
        /// Its name.
        property: &'static str,
    },
    /// A property has a value of a wrong type.
    #[error("Expected '{property}' to be of type {expected}.")]
    WrongType {
        /// Its name.
        property: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// A property is neither true nor false.
    #[error("Expected '{property}' to be true or false.")]
    NotBoolean {
        /// Its name.
        property: &'static str,
    },
    /// A header's value is no text.
    #[error("Expected header '{name}' to be of type String.")]
    HeaderNotAString {
        /// The header's name.
        name: String,
    },
    /// A list of stream ids holds something else.
    #[error("Cannot get the value of a token type '{found}' as a string.")]
    NotAString {
        /// What it holds.
        found: &'static str,
    },
    /// A list of stream ids holds null.
    #[error("Null value for '{property}' is not valid.")]
    NullItem {
        /// The list.
        property: &'static str,
    },
    /// A number is not whole or not in range.
    #[error("Either the JSON value is not in a supported format, or is out of bounds for an Int{bits}.")]
    InvalidNumber {
        /// The width that it must fit, in bits.
        bits: u8,
    },
    /// A text holds the first half of a surrogate pair without the second.
    #[error("Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.")]
    MissingLowSurrogate,
    /// A text holds the second half of a surrogate pair where none may be.
    #[error("Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0x{half:X}'.")]
    InvalidSurrogate {
        /// The half.
        half: u16,
    },
    /// A completion has both.
    #[error("The 'error' and 'result' properties are mutually exclusive.")]
    ErrorAndResult,
    /// A MessagePack message is no array.
    #[error("Reading the array of the message failed.")]
    NotAnArray,
    /// A MessagePack item is not there, or not of its type.
    #[error("Reading '{field}' as {expected} failed.")]
    Unreadable {
        /// The item.
        field: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// The length of a MessagePack array or map is not there.
    #[error("Reading {kind} length for '{field}' failed.")]
    UnreadableLength {
        /// `array` or `map`.
        kind: &'static str,
        /// The item.
        field: &'static str,
    },
    /// A MessagePack text that must say something does not.
    #[error("Null or empty {what}.")]
    NullOrEmpty {
        /// The text.
        what: &'static str,
    },
    /// A MessagePack completion is of no known kind.
    #[error("Invalid invocation result kind.")]
    InvalidResultKind,
    /// A MessagePack value is malformed, or deeper than the limit.
    #[error("Reading the value of '{field}' failed.")]
    MalformedValue {
        /// The item that holds it.
        field: &'static str,
    },
    /// A message has more of something than the limits allow.
    #[error("The message exceeds the limit of {limit} for {what}.")]
    LimitExceeded {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// An Ack names a message that has not been sent.
    #[error("Ack ID greater than amount of messages we've sent.")]
    AckBeyondSent,
    /// A Sequence skips messages.
    #[error("Sequence ID greater than amount of messages we've received.")]
    SequenceBeyondReceived,
    /// A Sequence came that is not the first message of a transport which takes up a session, or names no message.
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

/// A handshake cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It is no JSON.
    #[error("The handshake is not valid JSON.")]
    MalformedJson,
    /// It is JSON, but not what a handshake must be.
    #[error("{0}")]
    Protocol(ProtocolError),
    /// A property that it must have is not there.
    #[error("Missing required property '{property}'. Message content: {content}")]
    MissingProperty {
        /// Its name.
        property: &'static str,
        /// What was received instead.
        content: String,
    },
    /// What should be the answer to a handshake is a hub message.
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

/// A value cannot be written. The program that sends it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It has no form in JSON.
    #[error("a value cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// It has no form in MessagePack.
    #[error("a value cannot be written as MessagePack")]
    MessagePack(#[source] rmp_serde::encode::Error),
}

/// A value is not of the type that is asked for. Whoever sent it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// JSON does not fit the type.
    #[error("a JSON value does not fit its type")]
    Json(#[source] serde_json::Error),
    /// MessagePack does not fit the type.
    #[error("a MessagePack value does not fit its type")]
    MessagePack(#[source] rmp_serde::decode::Error),
}

impl DecodeError {
    /// Returns the protocol whose value it was.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Json(_) => Protocol::Json,
            Self::MessagePack(_) => Protocol::MessagePack,
        }
    }
}
