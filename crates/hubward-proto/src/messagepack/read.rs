//! Reading MessagePack messages in one pass over their bytes. Items of the message's array beyond those that its type
//! has are ignored, and so is what follows the array.

use std::borrow::Cow;

use super::scan::Scanner;
use crate::{
    CancelInvocation, Close, Completion, CompletionResult, Headers, Invocation, Limits, Message, Protocol,
    ProtocolError, RawArguments, RawValue, StreamItem,
};

pub(crate) fn decode<'a>(record: &'a [u8], limits: &Limits) -> Result<Option<Message<'a>>, ProtocolError> {
    let mut scanner = Scanner::new(record);
    let left = scanner.array().map_err(|_| ProtocolError::NotAnArray)?;
    let depth = limits.heeded_depth().checked_sub(1).ok_or(ProtocolError::NotAnArray)?;
    let mut items = Items { scanner, left, limits, depth };
    Ok(Some(match items.small_integer("messageType")? {
        1 => Message::Invocation(items.call()?),
        2 => Message::StreamItem(StreamItem {
            headers: items.headers()?,
            invocation_id: items.required_id("invocation ID for StreamItem message")?,
            item: items.value("item")?,
        }),
        3 => Message::Completion(Completion {
            headers: items.headers()?,
            invocation_id: items.required_id("invocation ID for Completion message")?,
            result: items.completion_result()?,
        }),
        4 => Message::StreamInvocation(items.stream_call()?),
        5 => Message::CancelInvocation(CancelInvocation {
            headers: items.headers()?,
            invocation_id: items.required_id("invocation ID for CancelInvocation message")?,
        }),
        6 => Message::Ping,
        7 => Message::Close(Close {
            error: items.text("error")?.map(Cow::Borrowed),
            allow_reconnect: items.left > 0 && items.boolean("allowReconnect")?,
        }),
        8 => Message::Ack { sequence_id: items.sequence_id()? },
        9 => Message::Sequence { sequence_id: items.sequence_id()? },
        _ => return Ok(None),
    }))
}

/// Checks an array of arguments that did not come in a message, and counts them.
pub(crate) fn check_arguments(bytes: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    let mut items = Items { scanner: Scanner::new(bytes), left: 1, limits, depth: limits.heeded_depth() };
    let len = items.arguments()?.len();
    if items.scanner.rest().is_empty() { Ok(len) } else { Err(malformed("arguments")) }
}

/// Skips the head of a checked array.
pub(crate) fn array_items(array: &[u8]) -> &[u8] {
    let mut scanner = Scanner::new(array);
    if scanner.array().is_ok() { scanner.rest() } else { &[] }
}

/// Takes an argument off what is left of a checked array.
pub(crate) fn next_argument(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut scanner = Scanner::new(rest);
    scanner.value(Limits::DEEPEST).ok()?;
    Some((scanner.bytes_from(0), scanner.rest()))
}

/// The items of a message's array, one after the other.
struct Items<'a, 'l> {
    scanner: Scanner<'a>,
    left: usize,
    limits: &'l Limits,
    /// How deep an item may be nested.
    depth: usize,
}

impl<'a> Items<'a, '_> {
    fn call(&mut self) -> Result<Invocation<'a>, ProtocolError> {
        let headers = self.headers()?;
        let id = self.id()?.filter(|id| !id.is_empty()).map(Cow::Borrowed);
        self.rest_of_call(headers, id, "target for Invocation message")
    }

    fn stream_call(&mut self) -> Result<Invocation<'a>, ProtocolError> {
        let headers = self.headers()?;
        let id = self.required_id("invocation ID for StreamInvocation message")?;
        self.rest_of_call(headers, Some(id), "target for StreamInvocation message")
    }

    fn rest_of_call(
        &mut self,
        headers: Headers<'a>,
        invocation_id: Option<Cow<'a, str>>,
        target: &'static str,
    ) -> Result<Invocation<'a>, ProtocolError> {
        let target = required(self.text("target")?, target)?;
        Limits::check("bytes of the target", target.len(), self.limits.target_bytes)?;
        let arguments = self.arguments()?;
        let stream_ids = if self.left > 0 { self.stream_ids()? } else { Vec::new() };
        Ok(Invocation { headers, invocation_id, target: Cow::Borrowed(target), arguments, stream_ids })
    }

    fn completion_result(&mut self) -> Result<CompletionResult<'a>, ProtocolError> {
        match self.small_integer("resultKind")? {
            1 => Ok(self
                .text("error")?
                .map_or(CompletionResult::Void, |error| CompletionResult::Error(Cow::Borrowed(error)))),
            2 => Ok(CompletionResult::Void),
            3 => Ok(CompletionResult::Value(self.value("result")?)),
            _ => Err(ProtocolError::InvalidResultKind),
        }
    }

    fn id(&mut self) -> Result<Option<&'a str>, ProtocolError> {
        let id = self.text("invocationId")?;
        Limits::check("bytes of the invocation id", id.map_or(0, str::len), self.limits.id_bytes)?;
        Ok(id)
    }

    fn required_id(&mut self, what: &'static str) -> Result<Cow<'a, str>, ProtocolError> {
        required(self.id()?, what).map(Cow::Borrowed)
    }

    fn arguments(&mut self) -> Result<RawArguments<'a>, ProtocolError> {
        let start = self.scanner.position();
        let depth = self.depth.checked_sub(1).ok_or(malformed("arguments"))?;
        let len = self.array("arguments")?;
        Limits::check("arguments", len, self.limits.arguments)?;
        for _ in 0..len {
            self.scanner.value(depth).map_err(|_| malformed("arguments"))?;
        }
        Ok(RawArguments::checked(Protocol::MessagePack, self.scanner.bytes_from(start), len))
    }

    fn stream_ids(&mut self) -> Result<Vec<Cow<'a, str>>, ProtocolError> {
        let len = self.array("streamIds")?;
        Limits::check("stream ids", len, self.limits.stream_ids)?;
        let mut ids = Vec::new();
        for _ in 0..len {
            let id = self.scanner.text().map_err(|_| unreadable("streamIds", "String"))?;
            let id = required(id, "value in streamIds received")?;
            Limits::check("bytes of a stream id", id.len(), self.limits.id_bytes)?;
            ids.push(Cow::Borrowed(id));
        }
        Ok(ids)
    }

    fn headers(&mut self) -> Result<Headers<'a>, ProtocolError> {
        let len = self.map("headers")?;
        Limits::check("headers", len, self.limits.headers)?;
        let mut headers = Headers::default();
        for _ in 0..len {
            let name = self.scanner.text().map_err(|_| unreadable("headers", "String"))?;
            let name = required(name, "key in header")?;
            let value = self.scanner.text().map_err(|_| unreadable("headers", "String"))?;
            let value = required(value, "value in header")?;
            headers.insert(Cow::Borrowed(name), Cow::Borrowed(value), self.limits)?;
        }
        Ok(headers)
    }

    fn value(&mut self, field: &'static str) -> Result<RawValue<'a>, ProtocolError> {
        self.count_down().ok_or(malformed(field))?;
        let start = self.scanner.position();
        self.scanner.value(self.depth).map_err(|_| malformed(field))?;
        Ok(RawValue::new(Protocol::MessagePack, self.scanner.bytes_from(start)))
    }

    fn text(&mut self, field: &'static str) -> Result<Option<&'a str>, ProtocolError> {
        self.count_down().ok_or(unreadable(field, "String"))?;
        self.scanner.text().map_err(|_| unreadable(field, "String"))
    }

    fn small_integer(&mut self, field: &'static str) -> Result<i32, ProtocolError> {
        self.count_down().ok_or(unreadable(field, "Int32"))?;
        let integer = self.scanner.integer().ok().and_then(|integer| i32::try_from(integer).ok());
        integer.ok_or(unreadable(field, "Int32"))
    }

    fn sequence_id(&mut self) -> Result<u64, ProtocolError> {
        self.count_down().ok_or(unreadable("sequenceId", "Int64"))?;
        let integer = self.scanner.integer().map_err(|_| unreadable("sequenceId", "Int64"))?;
        // One below zero counts as zero, which names no message: what that means is the session's matter.
        Ok(u64::try_from(integer).unwrap_or(0))
    }

    fn boolean(&mut self, field: &'static str) -> Result<bool, ProtocolError> {
        self.count_down().ok_or(unreadable(field, "Boolean"))?;
        self.scanner.boolean().map_err(|_| unreadable(field, "Boolean"))
    }

    fn array(&mut self, field: &'static str) -> Result<usize, ProtocolError> {
        let len = self.count_down().and_then(|()| self.scanner.array().ok());
        len.ok_or(ProtocolError::UnreadableLength { kind: "array", field })
    }

    fn map(&mut self, field: &'static str) -> Result<usize, ProtocolError> {
        let len = self.count_down().and_then(|()| self.scanner.map().ok());
        len.ok_or(ProtocolError::UnreadableLength { kind: "map", field })
    }

    fn count_down(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }
}

fn required<'a>(text: Option<&'a str>, what: &'static str) -> Result<&'a str, ProtocolError> {
    text.filter(|text| !text.is_empty()).ok_or(ProtocolError::NullOrEmpty { what })
}

fn unreadable(field: &'static str, expected: &'static str) -> ProtocolError {
    ProtocolError::Unreadable { field, expected }
}

fn malformed(field: &'static str) -> ProtocolError {
    ProtocolError::MalformedValue { field }
}
