//! Reads MessagePack messages in a single pass. Items of the array beyond those that the message's type has
//! are ignored, and so is what follows the array.

use std::borrow::Cow;

use super::reader::Reader;
use super::result_kind::ResultKind;
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
    let mut reader = Reader::new(record, limits)?;
    let number = reader.small_integer("messageType")?;
    let Some(message_type) = MessageType::from_number(i64::from(number)) else { return Ok(None) };
    Ok(Some(match message_type {
        MessageType::Invocation => Message::Invocation(invocation(&mut reader)?),
        MessageType::StreamItem => Message::StreamItem(StreamItem {
            headers: reader.headers()?,
            invocation_id: reader.required_id("invocation ID for StreamItem message")?,
            item: RawValue::new(Protocol::MessagePack, reader.value("item")?),
        }),
        MessageType::Completion => Message::Completion(Completion {
            headers: reader.headers()?,
            invocation_id: reader.required_id("invocation ID for Completion message")?,
            result: completion_result(&mut reader)?,
        }),
        MessageType::StreamInvocation => Message::StreamInvocation(stream_invocation(&mut reader)?),
        MessageType::CancelInvocation => Message::CancelInvocation(CancelInvocation {
            headers: reader.headers()?,
            invocation_id: reader.required_id("invocation ID for CancelInvocation message")?,
        }),
        MessageType::Ping => Message::Ping,
        MessageType::Close => Message::Close(Close {
            error: reader.string("error")?.map(Cow::Borrowed),
            allow_reconnect: reader.has_more() && reader.boolean("allowReconnect")?,
        }),
        MessageType::Ack => Message::Ack { sequence_id: reader.sequence_id()? },
        MessageType::Sequence => Message::Sequence { sequence_id: reader.sequence_id()? },
    }))
}

fn invocation<'a>(reader: &mut Reader<'a, '_>) -> Result<Invocation<'a>, ProtocolError> {
    let headers = reader.headers()?;
    let id = reader.id()?.filter(|id| !id.is_empty()).map(Cow::Borrowed);
    call(reader, headers, id, "target for Invocation message")
}

fn stream_invocation<'a>(reader: &mut Reader<'a, '_>) -> Result<Invocation<'a>, ProtocolError> {
    let headers = reader.headers()?;
    let id = reader.required_id("invocation ID for StreamInvocation message")?;
    call(reader, headers, Some(id), "target for StreamInvocation message")
}

/// Reads the items of a call that follow its id.
fn call<'a>(
    reader: &mut Reader<'a, '_>,
    headers: Headers<'a>,
    invocation_id: Option<Cow<'a, str>>,
    target: &'static str,
) -> Result<Invocation<'a>, ProtocolError> {
    let target = reader.target(target)?;
    let (arguments, len) = reader.arguments()?;
    let arguments = RawArguments::checked(Protocol::MessagePack, arguments, len);
    let stream_ids = if reader.has_more() { reader.stream_ids()? } else { Vec::new() };
    Ok(Invocation { headers, invocation_id, target, arguments, stream_ids })
}

fn completion_result<'a>(reader: &mut Reader<'a, '_>) -> Result<CompletionResult<'a>, ProtocolError> {
    let kind = reader.small_integer("resultKind")?;
    match ResultKind::from_number(kind).ok_or(ProtocolError::InvalidResultKind)? {
        ResultKind::Error => {
            let error = reader.string("error")?;
            Ok(error.map_or(CompletionResult::Void, |error| CompletionResult::Error(Cow::Borrowed(error))))
        }
        ResultKind::Void => Ok(CompletionResult::Void),
        ResultKind::Value => {
            let result = reader.value("result")?;
            Ok(CompletionResult::Value(RawValue::new(Protocol::MessagePack, result)))
        }
    }
}
