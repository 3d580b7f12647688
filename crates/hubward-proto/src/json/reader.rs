//! Reads values of known types from a JSON record: strings, numbers, arguments, headers. It does not know which
//! property must have which type. Its errors are ASP.NET Core's.

use std::borrow::Cow;

use super::scan::{Malformed, Quoted, Scanner};
use crate::error::ProtocolError;
use crate::limits::Limits;
use crate::message::headers::Headers;

/// A position in a record.
pub(crate) struct Reader<'a, 'l> {
    text: &'a str,
    scanner: Scanner<'a>,
    pub(super) limits: &'l Limits,
    /// How deep values of the record's object may be nested.
    depth: usize,
}

impl<'a, 'l> Reader<'a, 'l> {
    pub(crate) fn new(record: &'a [u8], limits: &'l Limits) -> Result<Self, ProtocolError> {
        let text = str::from_utf8(record).map_err(|_| ProtocolError::MalformedJson)?;
        let depth = limits.effective_depth().checked_sub(1).ok_or(ProtocolError::MalformedJson)?;
        Ok(Self { text, scanner: Scanner::new(record), limits, depth })
    }

    /// Reads the record's object: `property` gets each name, and must take the value after it.
    #[inline]
    pub(crate) fn object(
        &mut self,
        property: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        let found = match self.scanner.peek()? {
            b'{' => return self.properties(property),
            b'[' => "Array",
            _ => self.scalar_type()?,
        };
        Err(ProtocolError::NotAnObject { found })
    }

    #[inline]
    fn properties(
        &mut self,
        mut property: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        self.scanner.expect(b'{')?;
        if self.scanner.peek()? == b'}' {
            return Ok(self.scanner.expect(b'}')?);
        }
        loop {
            let name = self.scanner.name()?;
            let name = self.unquote(name)?;
            property(self, name)?;
            match self.scanner.take()? {
                b',' => (),
                b'}' => return Ok(()),
                _ => return Err(ProtocolError::MalformedJson),
            }
        }
    }

    pub(crate) fn skip(&mut self) -> Result<(), ProtocolError> {
        Ok(self.scanner.value(self.depth)?)
    }

    /// Returns whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.scanner.peek().is_err()
    }

    /// Takes a value of any type, and returns its bytes.
    pub(super) fn value(&mut self) -> Result<&'a [u8], ProtocolError> {
        self.scanner.peek()?;
        let start = self.scanner.position();
        self.skip()?;
        Ok(self.scanner.bytes_from(start))
    }

    #[inline]
    pub(crate) fn string(&mut self, property: &'static str) -> Result<Cow<'a, str>, ProtocolError> {
        if self.scanner.peek()? != b'"' {
            return Err(self.wrong_type(property, "String"));
        }
        let quoted = self.scanner.string()?;
        self.unquote(quoted)
    }

    /// Reads a string; `None` is null.
    pub(crate) fn nullable_string(
        &mut self,
        property: &'static str,
    ) -> Result<Option<Cow<'a, str>>, ProtocolError> {
        if self.scanner.peek()? == b'n' {
            self.skip()?;
            return Ok(None);
        }
        self.string(property).map(Some)
    }

    #[inline]
    fn unquote(&self, quoted: Quoted) -> Result<Cow<'a, str>, ProtocolError> {
        if !quoted.escaped {
            return self
                .text
                .get(quoted.start..quoted.end)
                .map(Cow::Borrowed)
                .ok_or(ProtocolError::MalformedJson);
        }
        let with_quotes = self.text.get(quoted.start - 1..=quoted.end).ok_or(ProtocolError::MalformedJson)?;
        // The scanner has checked the grammar of escapes; only half of a surrogate pair can still be missing.
        serde_json::from_str(with_quotes).map(Cow::Owned).map_err(|_| surrogate_error(with_quotes.as_bytes()))
    }

    /// Reads an integer of 32 or 64 bits; `None` is null.
    pub(crate) fn integer(&mut self, property: &'static str, bits: u8) -> Result<Option<i64>, ProtocolError> {
        match self.scanner.peek()? {
            b'-' | b'0'..=b'9' => (),
            b'n' => {
                self.skip()?;
                return Ok(None);
            }
            _ => return Err(self.wrong_type(property, "Number")),
        }
        let start = self.scanner.position();
        self.scanner.number()?;
        let digits = self.text.get(start..self.scanner.position()).unwrap_or_default();
        let number = digits.parse::<i64>().ok().filter(|number| bits > 32 || i32::try_from(*number).is_ok());
        number.map(Some).ok_or(ProtocolError::InvalidNumber { bits })
    }

    pub(super) fn boolean(&mut self, property: &'static str) -> Result<bool, ProtocolError> {
        match self.scanner.peek()? {
            first @ (b't' | b'f') => {
                self.skip()?;
                Ok(first == b't')
            }
            _ => Err(ProtocolError::NotBoolean { property }),
        }
    }

    /// Takes an array of arguments, and returns its bytes and how many there are.
    pub(super) fn arguments(&mut self) -> Result<(&'a [u8], usize), ProtocolError> {
        if self.scanner.peek()? != b'[' {
            return Err(self.wrong_type("arguments", "Array"));
        }
        let start = self.scanner.position();
        let depth = self.depth.checked_sub(1).ok_or(ProtocolError::MalformedJson)?;
        let limit = self.limits.arguments;
        let mut len = 0;
        self.items(|reader| {
            len += 1;
            Limits::check("arguments", len, limit)?;
            Ok(reader.scanner.value(depth)?)
        })?;
        Ok((self.scanner.bytes_from(start), len))
    }

    pub(super) fn stream_ids(&mut self) -> Result<Vec<Cow<'a, str>>, ProtocolError> {
        if self.scanner.peek()? != b'[' {
            return Err(self.wrong_type("streamIds", "Array"));
        }
        let limits = self.limits;
        let mut ids = Vec::new();
        self.items(|reader| {
            let id = match reader.scanner.peek()? {
                b'"' => reader.string("streamIds")?,
                b'n' => return Err(ProtocolError::NullItem { property: "streamIds" }),
                b'[' => return Err(ProtocolError::NotAString { found: "StartArray" }),
                b'{' => return Err(ProtocolError::NotAString { found: "StartObject" }),
                _ => return Err(ProtocolError::NotAString { found: reader.scalar_type()? }),
            };
            Limits::check("bytes of a stream id", id.len(), limits.id_bytes)?;
            Limits::check("stream ids", ids.len() + 1, limits.stream_ids)?;
            ids.push(id);
            Ok(())
        })?;
        Ok(ids)
    }

    pub(super) fn headers(&mut self) -> Result<Headers<'a>, ProtocolError> {
        if self.scanner.peek()? != b'{' {
            return Err(self.wrong_type("headers", "StartObject"));
        }
        let mut headers = Headers::default();
        self.properties(|reader, name| {
            if reader.scanner.peek()? != b'"' {
                reader.scalar_type()?;
                return Err(ProtocolError::HeaderNotAString { name: name.into_owned() });
            }
            let value = reader.string("headers")?;
            headers.insert(name, value, reader.limits)
        })?;
        Ok(headers)
    }

    /// Reads an array whose bracket is next: `item` is called for each value, and must take it.
    fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        self.scanner.expect(b'[')?;
        if self.scanner.peek()? == b']' {
            return Ok(self.scanner.expect(b']')?);
        }
        loop {
            item(self)?;
            match self.scanner.take()? {
                b',' => (),
                b']' => return Ok(()),
                _ => return Err(ProtocolError::MalformedJson),
            }
        }
    }

    /// Returns the error for the next value: that it has the wrong type, or that it is malformed.
    fn wrong_type(&mut self, property: &'static str, expected: &'static str) -> ProtocolError {
        match self.scalar_type() {
            Ok(_) => ProtocolError::WrongType { property, expected },
            Err(error) => error,
        }
    }

    /// Takes the next value, unless it is an array or object, and returns .NET's name of its type.
    fn scalar_type(&mut self) -> Result<&'static str, ProtocolError> {
        let name = match self.scanner.peek()? {
            b'{' | b'[' => return Ok("Object"),
            b'"' => "String",
            b't' => "True",
            b'f' => "False",
            b'n' => "Null",
            _ => "Number",
        };
        self.scanner.value(0)?;
        Ok(name)
    }
}

impl From<Malformed> for ProtocolError {
    fn from(_: Malformed) -> Self {
        ProtocolError::MalformedJson
    }
}

/// Returns the error for a string whose surrogates are not all in pairs.
fn surrogate_error(mut text: &[u8]) -> ProtocolError {
    while let [byte, after @ ..] = text {
        text = match (byte, after) {
            (b'\\', [b'u', ..]) => match (code_unit(text), after.get(5..).unwrap_or_default()) {
                (Some(0xD800..0xDC00), second) => match code_unit(second) {
                    Some(0xDC00..0xE000) => second.get(6..).unwrap_or_default(),
                    Some(unit) => return ProtocolError::InvalidSurrogate { unit },
                    None => return ProtocolError::MissingLowSurrogate,
                },
                (Some(unit @ 0xDC00..0xE000), _) => return ProtocolError::InvalidSurrogate { unit },
                (_, rest) => rest,
            },
            (b'\\', [_, rest @ ..]) => rest,
            _ => after,
        };
    }
    ProtocolError::MissingLowSurrogate
}

/// Reads the UTF-16 code unit that an escape at the front stands for.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}
