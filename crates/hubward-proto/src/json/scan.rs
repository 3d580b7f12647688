//! Scans JSON without building anything: where values begin and end, and whether they follow the grammar. It does not
//! check UTF-8; the reader does that before.

/// The bytes are not JSON, or nested too deep.
#[derive(Debug)]
pub(super) struct Malformed;

type Scan<T> = Result<T, Malformed>;

/// The position of a string.
#[derive(Clone, Copy)]
pub(super) struct Quoted {
    /// The position of the first byte after the opening quote.
    pub(super) start: usize,
    /// The position of the closing quote.
    pub(super) end: usize,
    /// Whether the string holds escapes.
    pub(super) escaped: bool,
}

/// A position in JSON text.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn bytes_from(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Skips white space and returns the byte after it, without taking it.
    #[inline]
    pub(super) fn peek(&mut self) -> Scan<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Malformed),
            }
        }
    }

    /// Skips white space and takes the byte after it.
    #[inline]
    pub(super) fn take(&mut self) -> Scan<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.take()? == byte { Ok(()) } else { Err(Malformed) }
    }

    /// Takes a property's name and the colon after it.
    #[inline]
    pub(super) fn name(&mut self) -> Scan<Quoted> {
        if self.peek()? != b'"' {
            return Err(Malformed);
        }
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// Takes a string whose opening quote is next.
    #[inline]
    pub(super) fn string(&mut self) -> Scan<Quoted> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = self.plain_end(at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Quoted { start, end: at, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape_end(at)?;
                }
                _ => return Err(Malformed),
            }
        }
    }

    /// Finds the first byte from `at` on that ends a string, begins an escape, or is not allowed in a string.
    #[inline]
    fn plain_end(&self, mut at: usize) -> usize {
        while let Some(word) = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let found = special_bytes(u64::from_le_bytes(*word));
            if found != 0 {
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        let tail = self.bytes.get(at..).unwrap_or_default();
        at + tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len())
    }

    fn escape_end(&self, at: usize) -> Scan<usize> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match self.bytes.get(at + 2..at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
                _ => Err(Malformed),
            },
            _ => Err(Malformed),
        }
    }

    /// Takes a number whose first byte is next.
    pub(super) fn number(&mut self) -> Scan<()> {
        let mut at = self.at;
        if self.bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        // A leading zero is the whole integer part.
        at = if self.bytes.get(at) == Some(&b'0') { at + 1 } else { self.digits_end(at)? };
        if self.bytes.get(at) == Some(&b'.') {
            at = self.digits_end(at + 1)?;
        }
        if matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            if matches!(self.bytes.get(at), Some(b'+' | b'-')) {
                at += 1;
            }
            at = self.digits_end(at)?;
        }
        self.at = at;
        // A digit here follows a leading zero.
        if self.bytes.get(at).is_some_and(u8::is_ascii_digit) { Err(Malformed) } else { Ok(()) }
    }

    /// Finds the end of a run of at least one digit.
    fn digits_end(&self, at: usize) -> Scan<usize> {
        let digits = self.bytes.get(at..).unwrap_or_default();
        match digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len()) {
            0 => Err(Malformed),
            len => Ok(at + len),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Scan<()> {
        if !self.rest().starts_with(literal) {
            return Err(Malformed);
        }
        self.at += literal.len();
        Ok(())
    }

    /// Takes a string, number or literal. Returns `true`, and takes nothing, where an array or object begins.
    #[inline]
    fn scalar(&mut self) -> Scan<bool> {
        match self.peek()? {
            b'"' => self.string().map(|_| ())?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            b'{' | b'[' => return Ok(true),
            _ => return Err(Malformed),
        }
        Ok(false)
    }

    /// Takes a value whose arrays and objects may be nested `depth` deep, at most 128.
    #[inline]
    pub(super) fn value(&mut self, depth: usize) -> Scan<()> {
        if self.scalar()? { self.nested(depth) } else { Ok(()) }
    }

    /// Takes an array or object. It does not recurse, so that no input can exhaust the stack: one bit of `objects` for
    /// each level that is open says whether it is an object (1) or an array (0).
    fn nested(&mut self, depth: usize) -> Scan<()> {
        let mut objects: u128 = 0;
        let mut open = 0;
        loop {
            if self.scalar()? {
                let object = self.take()? == b'{';
                open += 1;
                if open > depth {
                    return Err(Malformed);
                }
                objects = objects << 1 | u128::from(object);
                if self.peek()? != closing(object) {
                    if object {
                        self.name()?;
                    }
                    continue;
                }
            }
            // A value has ended; close all levels that end with it.
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                match self.take()? {
                    b',' => {
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    byte if byte == closing(object) => {
                        open -= 1;
                        objects >>= 1;
                    }
                    _ => return Err(Malformed),
                }
            }
        }
    }
}

fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// Finds quotes, backslashes and control characters in eight bytes at once: the highest bit is set in each byte that is
/// one. Only the lowest marked byte is reliable, because the subtractions borrow from the bytes above it.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let found = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    found & HIGHEST
}
