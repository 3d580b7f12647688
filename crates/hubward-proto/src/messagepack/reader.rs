//! Reads items of known types from a MessagePack message: strings, numbers, arguments, headers. It does not know which
//! type of message has which items. Its errors are ASP.NET Core's.

use std::borrow::Cow;

use super::scan::Scanner;
use crate::error::ProtocolError;
use crate::limits::Limits;
use crate::message::headers::Headers;

/// A position among the items of a message's array.
pub(super) struct Reader<'a, 'l> {
    scanner: Scanner<'a>,
    /// How many items are still to be read.
    left: usize,
    pub(super) limits: &'l Limits,
    /// How deep an item may be nested.
    depth: usize,
}

impl<'a, 'l> Reader<'a, 'l> {
    /// Starts to read the items of a message.
    #[inline]
    pub(super) fn new(record: &'a [u8], limits: &'l Limits) -> Result<Self, ProtocolError> {
        let mut scanner = Scanner::new(record);
        let left = scanner.array().map_err(|_| ProtocolError::NotAnArray)?;
        let depth = limits.effective_depth().checked_sub(1).ok_or(ProtocolError::NotAnArray)?;
        Ok(Self { scanner, left, limits, depth })
    }

    /// Starts to read a single item that is not in a message.
    pub(super) fn single(item: &'a [u8], limits: &'l Limits) -> Self {
        Self { scanner: Scanner::new(item), left: 1, limits, depth: limits.effective_depth() }
    }

    /// Returns whether no bytes are left.
    pub(super) fn is_at_end(&self) -> bool {
        self.scanner.rest().is_empty()
    }

    /// Returns whether the array has another item: later versions of a message have more than earlier ones.
    pub(super) fn has_more(&self) -> bool {
        self.left > 0
    }

    /// Reads an invocation id; `None` is nil.
    pub(super) fn id(&mut self) -> Result<Option<&'a str>, ProtocolError> {
        let id = self.string("invocationId")?;
        Limits::check("bytes of the invocation id", id.map_or(0, str::len), self.limits.id_bytes)?;
        Ok(id)
    }

    /// Reads an invocation id that must not be nil or empty.
    pub(super) fn required_id(&mut self, what: &'static str) -> Result<Cow<'a, str>, ProtocolError> {
        required(self.id()?, what).map(Cow::Borrowed)
    }

    pub(super) fn target(&mut self, what: &'static str) -> Result<Cow<'a, str>, ProtocolError> {
        let target = required(self.string("target")?, what)?;
        Limits::check("bytes of the target", target.len(), self.limits.target_bytes)?;
        Ok(Cow::Borrowed(target))
    }

    /// Takes an array of arguments, and returns its bytes and how many there are.
    pub(super) fn arguments(&mut self) -> Result<(&'a [u8], usize), ProtocolError> {
        let start = self.scanner.position();
        let depth = self.depth.checked_sub(1).ok_or(malformed("arguments"))?;
        let len = self.array("arguments")?;
        Limits::check("arguments", len, self.limits.arguments)?;
        for _ in 0..len {
            self.scanner.value(depth).map_err(|_| malformed("arguments"))?;
        }
        Ok((self.scanner.bytes_from(start), len))
    }

    pub(super) fn stream_ids(&mut self) -> Result<Vec<Cow<'a, str>>, ProtocolError> {
        let len = self.array("streamIds")?;
        Limits::check("stream ids", len, self.limits.stream_ids)?;
        let mut ids = Vec::new();
        for _ in 0..len {
            let id = self.required_string("streamIds", "value in streamIds received")?;
            Limits::check("bytes of a stream id", id.len(), self.limits.id_bytes)?;
            ids.push(Cow::Borrowed(id));
        }
        Ok(ids)
    }

    pub(super) fn headers(&mut self) -> Result<Headers<'a>, ProtocolError> {
        let len = self.map("headers")?;
        Limits::check("headers", len, self.limits.headers)?;
        let mut headers = Headers::default();
        for _ in 0..len {
            let name = self.required_string("headers", "key in header")?;
            let value = self.required_string("headers", "value in header")?;
            headers.insert(Cow::Borrowed(name), Cow::Borrowed(value), self.limits)?;
        }
        Ok(headers)
    }

    /// Takes a value of any type, and returns its bytes.
    pub(super) fn value(&mut self, field: &'static str) -> Result<&'a [u8], ProtocolError> {
        self.count_down().ok_or(malformed(field))?;
        let start = self.scanner.position();
        self.scanner.value(self.depth).map_err(|_| malformed(field))?;
        Ok(self.scanner.bytes_from(start))
    }

    /// Reads a string; `None` is nil.
    pub(super) fn string(&mut self, field: &'static str) -> Result<Option<&'a str>, ProtocolError> {
        self.count_down().ok_or(unreadable(field, "String"))?;
        self.scanner.string().map_err(|_| unreadable(field, "String"))
    }

    /// Reads a string within an item.
    fn required_string(&mut self, field: &'static str, what: &'static str) -> Result<&'a str, ProtocolError> {
        required(self.scanner.string().map_err(|_| unreadable(field, "String"))?, what)
    }

    pub(super) fn small_integer(&mut self, field: &'static str) -> Result<i32, ProtocolError> {
        self.count_down().ok_or(unreadable(field, "Int32"))?;
        let integer = self.scanner.integer().ok().and_then(|integer| i32::try_from(integer).ok());
        integer.ok_or(unreadable(field, "Int32"))
    }

    /// Reads a sequence id. One below zero becomes zero, which is the id of no message: the session rejects it in a
    /// Sequence, and ignores it in an Ack.
    pub(super) fn sequence_id(&mut self) -> Result<u64, ProtocolError> {
        self.count_down().ok_or(unreadable("sequenceId", "Int64"))?;
        let integer = self.scanner.integer().map_err(|_| unreadable("sequenceId", "Int64"))?;
        Ok(u64::try_from(integer).unwrap_or(0))
    }

    pub(super) fn boolean(&mut self, field: &'static str) -> Result<bool, ProtocolError> {
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

fn required<'a>(string: Option<&'a str>, what: &'static str) -> Result<&'a str, ProtocolError> {
    string.filter(|string| !string.is_empty()).ok_or(ProtocolError::NullOrEmpty { what })
}

fn unreadable(field: &'static str, expected: &'static str) -> ProtocolError {
    ProtocolError::Unreadable { field, expected }
}

fn malformed(field: &'static str) -> ProtocolError {
    ProtocolError::MalformedValue { field }
}
