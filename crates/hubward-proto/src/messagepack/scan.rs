//! Scans MessagePack without building anything: integers and strings in any of their encodings, and where values end.
//! No declared length is trusted before the bytes are there.

/// The byte of nil.
pub(super) const NIL: u8 = 0xC0;

/// The bytes are not MessagePack, not of the expected type, or nested too deep.
#[derive(Debug)]
pub(super) struct Malformed;

type Scan<T> = Result<T, Malformed>;

/// A position in MessagePack.
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

    #[inline]
    fn byte(&mut self) -> Scan<u8> {
        let byte = self.bytes.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(*byte)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Scan<[u8; N]> {
        let chunk = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>).ok_or(Malformed)?;
        self.at += N;
        Ok(*chunk)
    }

    /// Takes a length that is written in one, two or four bytes.
    #[inline]
    fn len<const N: usize>(&mut self) -> Scan<usize> {
        let chunk = self.chunk::<N>()?;
        Ok(chunk.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }

    #[inline]
    fn advance(&mut self, len: usize) -> Scan<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or(Malformed)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(bytes)
    }

    /// Takes an integer.
    #[inline]
    pub(super) fn integer(&mut self) -> Scan<i64> {
        Ok(match self.byte()? {
            byte @ 0x00..=0x7F => i64::from(byte),
            byte @ 0xE0..=0xFF => i64::from(byte.cast_signed()),
            0xCC => i64::from(self.byte()?),
            0xCD => i64::from(u16::from_be_bytes(self.chunk()?)),
            0xCE => i64::from(u32::from_be_bytes(self.chunk()?)),
            0xCF => i64::try_from(u64::from_be_bytes(self.chunk()?)).map_err(|_| Malformed)?,
            0xD0 => i64::from(self.byte()?.cast_signed()),
            0xD1 => i64::from(i16::from_be_bytes(self.chunk()?)),
            0xD2 => i64::from(i32::from_be_bytes(self.chunk()?)),
            0xD3 => i64::from_be_bytes(self.chunk()?),
            _ => return Err(Malformed),
        })
    }

    /// Takes a string; `None` is nil.
    #[inline]
    pub(super) fn string(&mut self) -> Scan<Option<&'a str>> {
        let len = match self.byte()? {
            byte @ 0xA0..=0xBF => usize::from(byte & 0x1F),
            0xD9 => self.len::<1>()?,
            0xDA => self.len::<2>()?,
            0xDB => self.len::<4>()?,
            NIL => return Ok(None),
            _ => return Err(Malformed),
        };
        str::from_utf8(self.advance(len)?).map(Some).map_err(|_| Malformed)
    }

    pub(super) fn boolean(&mut self) -> Scan<bool> {
        match self.byte()? {
            0xC2 => Ok(false),
            0xC3 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// Takes the header of an array, and returns how many items follow.
    #[inline]
    pub(super) fn array(&mut self) -> Scan<usize> {
        match self.byte()? {
            byte @ 0x90..=0x9F => Ok(usize::from(byte & 0x0F)),
            0xDC => self.len::<2>(),
            0xDD => self.len::<4>(),
            _ => Err(Malformed),
        }
    }

    /// Takes the header of a map, and returns how many pairs follow.
    #[inline]
    pub(super) fn map(&mut self) -> Scan<usize> {
        match self.byte()? {
            byte @ 0x80..=0x8F => Ok(usize::from(byte & 0x0F)),
            0xDE => self.len::<2>(),
            0xDF => self.len::<4>(),
            _ => Err(Malformed),
        }
    }

    /// Takes a value whose arrays and maps may be nested `depth` deep, at most 128, since it recurses. Strings are not
    /// checked for UTF-8.
    pub(super) fn value(&mut self, depth: usize) -> Scan<()> {
        let len = match self.byte()? {
            0x00..=0x7F | 0xE0..=0xFF | NIL | 0xC2 | 0xC3 => 0,
            0xC1 => return Err(Malformed),
            byte @ 0xA0..=0xBF => usize::from(byte & 0x1F),
            // Bytes and strings.
            0xC4 | 0xD9 => self.len::<1>()?,
            0xC5 | 0xDA => self.len::<2>()?,
            0xC6 | 0xDB => self.len::<4>()?,
            // Extensions: a byte for their type comes before their content.
            0xC7 => self.len::<1>()? + 1,
            0xC8 => self.len::<2>()? + 1,
            0xC9 => self.len::<4>()? + 1,
            0xD4 => 2,
            0xD5 => 3,
            0xD6 => 5,
            0xD7 => 9,
            0xD8 => 17,
            // Numbers.
            0xCC | 0xD0 => 1,
            0xCD | 0xD1 => 2,
            0xCA | 0xCE | 0xD2 => 4,
            0xCB | 0xCF | 0xD3 => 8,
            byte @ 0x90..=0x9F => return self.items(usize::from(byte & 0x0F), depth),
            0xDC => return self.len::<2>().and_then(|len| self.items(len, depth)),
            0xDD => return self.len::<4>().and_then(|len| self.items(len, depth)),
            byte @ 0x80..=0x8F => return self.items(usize::from(byte & 0x0F) * 2, depth),
            0xDE => return self.len::<2>().and_then(|len| self.items(len * 2, depth)),
            0xDF => return self.len::<4>().and_then(|len| self.items(len * 2, depth)),
        };
        self.advance(len).map(|_| ())
    }

    /// Takes the items of an array or map. Each needs at least one byte, so a false length ends with the input.
    fn items(&mut self, len: usize, depth: usize) -> Scan<()> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        for _ in 0..len {
            self.value(depth)?;
        }
        Ok(())
    }
}
