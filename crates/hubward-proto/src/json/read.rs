//! Reads JSON messages in a single pass. Properties come in any order, unknown ones are skipped, and of two
//! with the same name the later counts. What follows the object is ignored, as in ASP.NET Core.

use std::borrow::Cow;

use super::reader::Reader;
use crate::error::ProtocolError;
use crate::limits::Limits;
use crate::message::headers::Headers;
use crate::message::message_type::MessageType;
use crate::message::raw::{RawArguments, RawValue};
use crate::message::{
    CancelInvocation, Close, Completion, CompletionResult, Invocation, Message, StreamItem,
};
use crate::protocol::Protocol;

pub(crate) fn decode<'a>(record: &'a [u8], limits: &Limits) -> Result<Option<Message<'a>>, ProtocolError> {
    let mut properties = Properties::default();
    Reader::new(record, limits)?.object(|reader, name| properties.read(reader, &name))?;
    properties.into_message()
}

/// The properties of a message, as far as they have been read: its type may come last.
#[derive(Default)]
struct Properties<'a> {
    message_type: Option<i64>,
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

impl<'a> Properties<'a> {
    #[inline]
    fn read(&mut self, reader: &mut Reader<'a, '_>, name: &str) -> Result<(), ProtocolError> {
        match name {
            "type" => {
                let number = reader.integer("type", 32)?;
                self.message_type =
                    Some(number.ok_or(ProtocolError::WrongType { property: "type", expected: "Number" })?);
            }
            "target" => {
                let target = reader.string("target")?;
                Limits::check("bytes of the target", target.len(), reader.limits.target_bytes)?;
                self.target = Some(target);
            }
            "invocationId" => {
                let id = reader.string("invocationId")?;
                Limits::check("bytes of the invocation id", id.len(), reader.limits.id_bytes)?;
                self.invocation_id = Some(id);
            }
            "arguments" => {
                let (arguments, len) = reader.arguments()?;
                self.arguments = Some(RawArguments::checked(Protocol::Json, arguments, len));
            }
            "result" => self.result = Some(RawValue::new(Protocol::Json, reader.value()?)),
            "item" => self.item = Some(RawValue::new(Protocol::Json, reader.value()?)),
            "error" => self.error = Some(reader.string("error")?),
            "streamIds" => self.stream_ids = reader.stream_ids()?,
            "headers" => self.headers = reader.headers()?,
            "allowReconnect" => self.allow_reconnect = reader.boolean("allowReconnect")?,
            "sequenceId" => self.sequence_id = reader.integer("sequenceId", 64)?,
            _ => reader.skip()?,
        }
        Ok(())
    }

    fn into_message(self) -> Result<Option<Message<'a>>, ProtocolError> {
        let number = self.message_type.ok_or(missing("type"))?;
        let Some(message_type) = MessageType::from_number(number) else { return Ok(None) };
        Ok(Some(match message_type {
            MessageType::Invocation => Message::Invocation(self.into_invocation()?),
            MessageType::StreamItem => {
                let invocation_id = required_id(self.invocation_id)?;
                let item = self.item.ok_or(missing("item"))?;
                Message::StreamItem(StreamItem { headers: self.headers, invocation_id, item })
            }
            MessageType::Completion => {
                let invocation_id = required_id(self.invocation_id)?;
                let result = completion_result(self.result, self.error)?;
                Message::Completion(Completion { headers: self.headers, invocation_id, result })
            }
            MessageType::StreamInvocation => {
                self.check_stream_invocation()?;
                Message::StreamInvocation(self.into_invocation()?)
            }
            MessageType::CancelInvocation => {
                let invocation_id = required_id(self.invocation_id)?;
                Message::CancelInvocation(CancelInvocation { headers: self.headers, invocation_id })
            }
            MessageType::Ping => Message::Ping,
            MessageType::Close => {
                Message::Close(Close { error: self.error, allow_reconnect: self.allow_reconnect })
            }
            MessageType::Ack => Message::Ack { sequence_id: required_sequence_id(self.sequence_id)? },
            MessageType::Sequence => {
                Message::Sequence { sequence_id: required_sequence_id(self.sequence_id)? }
            }
        }))
    }

    fn into_invocation(self) -> Result<Invocation<'a>, ProtocolError> {
        Ok(Invocation {
            headers: self.headers,
            invocation_id: self.invocation_id.filter(|id| !id.is_empty()),
            target: self.target.ok_or(missing("target"))?,
            arguments: self.arguments.ok_or(missing("arguments"))?,
            stream_ids: self.stream_ids,
        })
    }

    /// Checks what a StreamInvocation requires. As in ASP.NET Core, a missing target is reported before a missing id,
    /// and missing arguments after both.
    fn check_stream_invocation(&self) -> Result<(), ProtocolError> {
        if self.target.is_none() {
            return Err(missing("target"));
        }
        if self.invocation_id.as_deref().unwrap_or_default().is_empty() {
            return Err(missing("invocationId"));
        }
        Ok(())
    }
}

fn missing(property: &'static str) -> ProtocolError {
    ProtocolError::MissingProperty { property }
}

fn required_id(id: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, ProtocolError> {
    id.filter(|id| !id.is_empty()).ok_or(missing("invocationId"))
}

fn completion_result<'a>(
    result: Option<RawValue<'a>>,
    error: Option<Cow<'a, str>>,
) -> Result<CompletionResult<'a>, ProtocolError> {
    match (result, error) {
        (Some(_), Some(_)) => Err(ProtocolError::ErrorAndResult),
        (Some(result), None) => Ok(CompletionResult::Value(result)),
        (None, Some(error)) => Ok(CompletionResult::Error(error)),
        (None, None) => Ok(CompletionResult::Void),
    }
}

/// One below zero becomes zero, which is the id of no message: the session rejects it in a Sequence, and ignores it in
/// an Ack.
fn required_sequence_id(id: Option<i64>) -> Result<u64, ProtocolError> {
    Ok(u64::try_from(id.ok_or(missing("sequenceId"))?).unwrap_or(0))
}
