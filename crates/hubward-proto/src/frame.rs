//! An encoded hub message with its WebSocket header before it, in one shared buffer, so that it is framed once
//! however many recipients it has. It knows nothing of what the message says but whether it is counted.

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::{Buf, Bytes};

use crate::Protocol;

/// FIN with the opcode of a text message (RFC 6455, 5.2).
const TEXT: u8 = 0x81;
/// FIN with the opcode of a binary message.
const BINARY: u8 = 0x82;
/// The longest header of an unmasked frame: two bytes and a length of eight.
pub(crate) const HEADER_SPACE: usize = 10;

/// An encoded hub message, ready for any transport. Cloning it copies no bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header_len: u8,
    counted: bool,
}

impl Frame {
    /// Returns the message behind the header of an unmasked, unfragmented WebSocket frame.
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

    /// Tells whether there are no bytes; no frame is empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Tells whether stateful reconnect numbers the message: types 1 to 5 are counted.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Takes up an invocation that another node has encoded. `None` where the header is not one that this crate
    /// writes for just this length.
    pub fn from_websocket(bytes: Bytes) -> Option<Frame> {
        let protocol = match *bytes.first()? {
            TEXT => Protocol::Json,
            BINARY => Protocol::MessagePack,
            _ => return None,
        };
        let header_len = match *bytes.get(1)? {
            127 => 10,
            126 => 4,
            _ => 2,
        };
        let message_len = bytes.len().checked_sub(header_len).filter(|len| *len > 0)?;
        let (header, len) = header(protocol, message_len);
        (bytes.get(..header_len) == header.get(..len)).then_some(())?;
        Some(Frame { bytes, header_len: u8::try_from(len).ok()?, counted: true })
    }

    /// A frame that is known when the program is built; its header has two bytes.
    pub(crate) const fn fixed(bytes: &'static [u8]) -> Self {
        Self { bytes: Bytes::from_static(bytes), header_len: 2, counted: false }
    }

    /// Puts the header before a message that starts at `start`, at least [`HEADER_SPACE`] into the buffer.
    pub(crate) fn build(mut buffer: Vec<u8>, start: usize, protocol: Protocol, counted: bool) -> Self {
        let (header, len) = header(protocol, buffer.len().saturating_sub(start));
        let begin = start.saturating_sub(len);
        for (to, from) in buffer.iter_mut().skip(begin).zip(header.iter().take(len)) {
            *to = *from;
        }
        let mut bytes = Bytes::from(buffer);
        bytes.advance(begin.min(bytes.len()));
        Self {
            bytes,
            header_len: if len == 2 {
                2
            } else if len == 4 {
                4
            } else {
                10
            },
            counted,
        }
    }
}

/// Shows lengths only: messages are the users' and belong in no log.
impl fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Frame")
            .field("len", &self.bytes.len())
            .field("counted", &self.counted)
            .finish_non_exhaustive()
    }
}

/// The header of a frame with `len` bytes of payload, and how many of the ten bytes it takes.
fn header(protocol: Protocol, len: usize) -> ([u8; HEADER_SPACE], usize) {
    let opcode = if protocol.is_binary() { BINARY } else { TEXT };
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
