//! Reading JSON messages in one pass over their bytes. Properties come in any order, unknown ones are skipped, and of
//! two with the same name the later counts. What follows the object is not looked at, as in ASP.NET Core.

use std::borrow::Cow;

use super::{reader::Reader, scan::Scanner};
use crate::{
    CancelInvocation, Close, Completion, CompletionResult, HandshakeError, HandshakeRequest,
    HandshakeResponse, Headers, Invocation, Limits, Message, ProtocolError, RawArguments, RawValue,
    StreamItem,
};

pub(crate) fn decode<'a>(record: &'a [u8], limits: &Limits) -> Result<Option<Message<'a>>, ProtocolError> {
    let mut envelope = Envelope::default();
    Reader::new(record, limits)?.object(|reader, name| envelope.read(reader, &name))?;
    envelope.into_message()
}

pub(crate) fn read_handshake_request<'a>(
    record: &'a [u8],
    limits: &Limits,
) -> Result<HandshakeRequest<'a>, HandshakeError> {
    let (mut protocol, mut version) = (None, None);
    Reader::new(record, limits)?.object(|reader, name| {
        match &*name {
            "protocol" => protocol = Some(reader.text("protocol")?),
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
    Ok(HandshakeRequest {
        protocol: protocol.ok_or_else(|| missing("protocol"))?,
        version: version.ok_or_else(|| missing("version"))?,
    })
}

pub(crate) fn read_handshake_response<'a>(
    record: &'a [u8],
    limits: &Limits,
) -> Result<HandshakeResponse<'a>, HandshakeError> {
    let (mut error, mut hub_message) = (None, false);
    Reader::new(record, limits)?.object(|reader, name| {
        match &*name {
            "error" if reader.scanner.peek()? != b'n' => error = Some(reader.text("error")?),
            _ => {
                hub_message |= name == "type";
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    if hub_message { Err(HandshakeError::NotAResponse) } else { Ok(HandshakeResponse { error }) }
}

/// Checks an array of arguments that did not come in a message, and counts them.
pub(crate) fn check_arguments(bytes: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    let mut reader = Reader::new(bytes, limits)?;
    let len = reader.arguments()?.len();
    if reader.scanner.peek().is_ok() { Err(ProtocolError::MalformedJson) } else { Ok(len) }
}

/// Takes an argument, and what separates it from the next, off what is left of a checked array.
pub(crate) fn next_argument(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut scanner = Scanner::new(rest);
    scanner.peek().ok()?;
    let start = scanner.position();
    scanner.value(Limits::DEEPEST).ok()?;
    let value = scanner.bytes_from(start);
    scanner.take().ok()?;
    Some((value, scanner.rest()))
}

/// Properties of a message as they have been read so far.
#[derive(Default)]
struct Envelope<'a> {
    kind: Option<i64>,
    headers: Headers<'a>,
    invocation_id: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    arguments: Option<RawArguments<'a>>,
    stream_ids: Vec<Cow<'a, str>>,
    item: Option<RawValue<'a>>,
    result: Option<RawValue<'a>>,
    error: Option<Cow<'a, str>>,
    allow_reconnect: bool,
    sequence_id: Option<i64>,
}

impl<'a> Envelope<'a> {
    #[inline]
    fn read(&mut self, reader: &mut Reader<'a, '_>, name: &str) -> Result<(), ProtocolError> {
        match name {
            "type" => {
                let kind = reader.integer("type", 32)?;
                self.kind =
                    Some(kind.ok_or(ProtocolError::WrongType { property: "type", expected: "Number" })?);
            }
            "target" => {
                let target = reader.text("target")?;
                Limits::check("bytes of the target", target.len(), reader.limits.target_bytes)?;
                self.target = Some(target);
            }
            "invocationId" => {
                let id = reader.text("invocationId")?;
                Limits::check("bytes of the invocation id", id.len(), reader.limits.id_bytes)?;
                self.invocation_id = Some(id);
            }
            "arguments" => self.arguments = Some(reader.arguments()?),
            "result" => self.result = Some(reader.value()?),
            "item" => self.item = Some(reader.value()?),
            "error" => self.error = Some(reader.text("error")?),
            "streamIds" => self.stream_ids = reader.stream_ids()?,
            "headers" => self.headers = reader.headers()?,
            "allowReconnect" => self.allow_reconnect = reader.boolean("allowReconnect")?,
            "sequenceId" => self.sequence_id = reader.integer("sequenceId", 64)?,
            _ => reader.skip()?,
        }
        Ok(())
    }

    fn into_message(self) -> Result<Option<Message<'a>>, ProtocolError> {
        Ok(Some(match self.kind.ok_or(missing("type"))? {
            1 => Message::Invocation(self.into_call()?),
            2 => {
                let invocation_id = required_id(self.invocation_id)?;
                let item = self.item.ok_or(missing("item"))?;
                Message::StreamItem(StreamItem { headers: self.headers, invocation_id, item })
            }
            3 => {
                let invocation_id = required_id(self.invocation_id)?;
                let result = match (self.result, self.error) {
                    (Some(_), Some(_)) => return Err(ProtocolError::ErrorAndResult),
                    (Some(result), None) => CompletionResult::Value(result),
                    (None, Some(error)) => CompletionResult::Error(error),
                    (None, None) => CompletionResult::Void,
                };
                Message::Completion(Completion { headers: self.headers, invocation_id, result })
            }
            4 if self.target.is_none() => return Err(missing("target")),
            4 if self.invocation_id.as_deref().unwrap_or_default().is_empty() => {
                return Err(missing("invocationId"));
            }
            4 => Message::StreamInvocation(self.into_call()?),
            5 => {
                let invocation_id = required_id(self.invocation_id)?;
                Message::CancelInvocation(CancelInvocation { headers: self.headers, invocation_id })
            }
            6 => Message::Ping,
            7 => Message::Close(Close { error: self.error, allow_reconnect: self.allow_reconnect }),
            8 => Message::Ack { sequence_id: required_sequence_id(self.sequence_id)? },
            9 => Message::Sequence { sequence_id: required_sequence_id(self.sequence_id)? },
            _ => return Ok(None),
        }))
    }

    fn into_call(self) -> Result<Invocation<'a>, ProtocolError> {
        Ok(Invocation {
            headers: self.headers,
            invocation_id: self.invocation_id.filter(|id| !id.is_empty()),
            target: self.target.ok_or(missing("target"))?,
            arguments: self.arguments.ok_or(missing("arguments"))?,
            stream_ids: self.stream_ids,
        })
    }
}

fn missing(property: &'static str) -> ProtocolError {
    ProtocolError::MissingProperty { property }
}

fn required_id(id: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, ProtocolError> {
    id.filter(|id| !id.is_empty()).ok_or(missing("invocationId"))
}

/// One below zero counts as zero, which names no message: what that means is the session's matter.
fn required_sequence_id(id: Option<i64>) -> Result<u64, ProtocolError> {
    Ok(u64::try_from(id.ok_or(missing("sequenceId"))?).unwrap_or(0))
}
