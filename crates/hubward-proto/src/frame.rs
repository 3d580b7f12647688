//! An encoded hub message after its WebSocket header, in one shared buffer, so that it is framed once for all of its
//! recipients. Of the message itself it only knows whether stateful reconnect counts it.

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::{Buf, Bytes};

/// FIN with the opcode of a text message (RFC 6455, 5.2).
const TEXT: u8 = 0x81;
/// FIN with the opcode of a binary message.
const BINARY: u8 = 0x82;
/// The longest header of an unmasked frame: two bytes and a length of eight.
pub(crate) const HEADER_SPACE: usize = 10;
/// Capacity that a buffer keeps, however little of it is used: what a message is begun with. Freeing less is not worth
/// the allocator's work.
pub(crate) const KEPT_BYTES: usize = 256;

/// An encoded hub message, ready for any transport. Cloning it copies no bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header_len: u8,
    counted: bool,
}

impl Frame {
    /// Returns the message with its header: an unmasked, unfragmented WebSocket frame.
    pub fn websocket(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the message without the header: JSON with its record separator, MessagePack with its length prefix.
    pub fn message(&self) -> &[u8] {
        self.bytes.get(usize::from(self.header_len)..).unwrap_or_default()
    }

    /// Returns the length of [`websocket`](Self::websocket) in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether there are no bytes. No frame is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns whether stateful reconnect counts the message, as it does types 1 to 5.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Returns whether a WebSocket carries it as binary data.
    pub(crate) fn is_binary(&self) -> bool {
        self.bytes.first() == Some(&BINARY)
    }

    /// Wraps a message that another node has encoded: an invocation, which is counted. Returns `None` unless the bytes
    /// start with the header that this crate writes for a message of their length.
    pub fn from_websocket(bytes: Bytes) -> Option<Frame> {
        let binary = match *bytes.first()? {
            TEXT => false,
            BINARY => true,
            _ => return None,
        };
        let declared_len: u8 = match *bytes.get(1)? {
            127 => 10,
            126 => 4,
            _ => 2,
        };
        let message_len = bytes.len().checked_sub(usize::from(declared_len)).filter(|len| *len > 0)?;
        let (header, header_len) = header(binary, message_len);
        if header_len != declared_len || !bytes.starts_with(header.get(..usize::from(header_len))?) {
            return None;
        }
        Some(Frame { bytes, header_len, counted: true })
    }

    /// Frames bytes that are not a hub message, for a transport without the hub protocol. Returns `None` if there are
    /// none, since no frame is empty.
    pub fn from_payload(payload: &[u8], binary: bool) -> Option<Frame> {
        if payload.is_empty() {
            return None;
        }
        let mut buffer = Vec::with_capacity(HEADER_SPACE + payload.len());
        buffer.extend_from_slice(&[0; HEADER_SPACE]);
        buffer.extend_from_slice(payload);
        Some(Self::build(buffer, HEADER_SPACE, binary, false))
    }

    /// Wraps a constant frame whose header has two bytes, and whose message is not counted.
    pub(crate) const fn fixed(bytes: &'static [u8]) -> Self {
        Self { bytes: Bytes::from_static(bytes), header_len: 2, counted: false }
    }

    /// Writes the header into the bytes before the message, which starts at `start`, at least [`HEADER_SPACE`] into the
    /// buffer. The frame begins where the header does.
    pub(crate) fn build(mut buffer: Vec<u8>, start: usize, binary: bool, counted: bool) -> Self {
        let (header, header_len) = header(binary, buffer.len().saturating_sub(start));
        let begin = start.saturating_sub(usize::from(header_len));
        for (to, from) in buffer.iter_mut().skip(begin).zip(header.iter().take(usize::from(header_len))) {
            *to = *from;
        }
        // A buffer that has grown has up to twice the capacity that it needed, which nobody who counts the frame's bytes
        // would count.
        if buffer.capacity() > KEPT_BYTES && buffer.capacity() - buffer.len() > buffer.len() / 8 {
            buffer.shrink_to_fit();
        }
        let mut bytes = Bytes::from(buffer);
        bytes.advance(begin.min(bytes.len()));
        Self { bytes, header_len, counted }
    }
}

/// Shows lengths only: messages are user data, which no log may hold.
impl fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Frame")
            .field("len", &self.bytes.len())
            .field("counted", &self.counted)
            .finish_non_exhaustive()
    }
}

/// Returns the header of a frame with `len` bytes of payload, and how many of the ten bytes it takes.
fn header(binary: bool, len: usize) -> ([u8; HEADER_SPACE], u8) {
    let opcode = if binary { BINARY } else { TEXT };
    let [.., a, b] = (len as u64).to_be_bytes();
    match len {
        0..=125 => ([opcode, b, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        126..=0xFFFF => ([opcode, 126, a, b, 0, 0, 0, 0, 0, 0], 4),
        _ => {
            let [c, d, e, f, g, h, i, j] = (len as u64).to_be_bytes();
            ([opcode, 127, c, d, e, f, g, h, i, j], 10)
        }
    }
}
