//! The server's half of RFC 6455's framing, without I/O. Payload is unmasked in place and passed on as it comes,
//! whatever length its frame declares: nothing is allocated for a declared length. Extensions are not
//! supported, so every reserved bit is an error. The headers of outgoing messages are hubward-proto's to write.

mod mask;
mod utf8;

pub(crate) use mask::unmask;
use utf8::Utf8Validator;

/// The longest header of a client's frame: two bytes, eight of length, four of mask.
const HEADER_BYTES: usize = 14;
/// The longest payload of a control frame (RFC 6455 §5.5).
pub(crate) const CONTROL_BYTES: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A peer's violation of the protocol; each has its close code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Violation {
    /// A frame that RFC 6455 does not allow: 1002.
    Protocol,
    /// A text message, or the reason of a close, that is not UTF-8: 1007.
    NotUtf8,
}

impl Violation {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
        }
    }
}

/// What was decoded of a peer's bytes.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Decoded<'a> {
    /// A piece of a message, never empty.
    Payload(&'a [u8]),
    /// A ping, to be answered with the same bytes.
    Ping(ControlPayload),
    /// A close frame, with its code where it had one: nothing after it is read.
    Close(Option<u16>),
}

/// The payload of a control frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ControlPayload {
    bytes: [u8; CONTROL_BYTES],
    length: u8,
}

impl ControlPayload {
    const fn new() -> Self {
        Self { bytes: [0; CONTROL_BYTES], length: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    fn push(&mut self, more: &[u8]) {
        let room = self.bytes.iter_mut().skip(usize::from(self.length));
        self.length += room.zip(more).map(|(to, from)| *to = *from).count() as u8;
    }
}

/// Decodes a peer's bytes, however they are cut. Between calls it holds at most one frame header and the payload of
/// one control frame.
#[derive(Default)]
pub(crate) struct Decoder {
    header: [u8; HEADER_BYTES],
    /// How many bytes of the header have come; 0 between frames and inside a payload.
    header_length: u8,
    in_payload: bool,
    closed: bool,
    frame: FrameHeader,
    message: MessageState,
    /// The payload of a control frame that comes in pieces. Almost always empty.
    control: Option<Box<ControlPayload>>,
}

#[derive(Clone, Copy, Default)]
struct FrameHeader {
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    remaining: u64,
}

/// The state of the message that the frames are fragments of.
#[derive(Default)]
struct MessageState {
    unfinished: bool,
    /// Present for a text message only.
    text: Option<Utf8Validator>,
}

impl Decoder {
    /// Reads from the front of `input` until something is decoded, and returns how much of it was used: all of it,
    /// where nothing was decoded.
    pub(crate) fn next<'a>(
        &mut self,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Decoded<'a>>), Violation> {
        let whole = input.len();
        let mut rest = input;
        loop {
            if self.closed {
                return Ok((whole, None));
            }
            if !self.in_payload {
                let used = self.read_header(rest)?;
                rest = rest.split_at_mut_checked(used).map(|(_, rest)| rest).unwrap_or_default();
                if !self.in_payload {
                    return Ok((whole, None));
                }
            }
            let take = usize::try_from(self.frame.remaining).unwrap_or(usize::MAX).min(rest.len());
            let (payload, after) = rest.split_at_mut_checked(take).unwrap_or_default();
            self.frame.remaining -= take as u64;
            unmask(payload, &mut self.frame.mask);
            let ended = self.frame.remaining == 0;
            self.in_payload = !ended;
            let used = whole - after.len();
            if self.frame.opcode >= CLOSE {
                if let Some(event) = self.read_control(payload, ended)? {
                    return Ok((used, Some(event)));
                }
            } else {
                self.message.unfinished = !(ended && self.frame.fin);
                if let Some(text) = &mut self.message.text {
                    text.check(payload, !self.message.unfinished).map_err(|()| Violation::NotUtf8)?;
                }
                if !payload.is_empty() {
                    return Ok((used, Some(Decoded::Payload(payload))));
                }
            }
            if after.is_empty() {
                return Ok((whole, None));
            }
            rest = after;
        }
    }

    /// Collects a header. Once it is whole, its content is in `frame` and `in_payload` is set.
    fn read_header(&mut self, input: &[u8]) -> Result<usize, Violation> {
        let mut used = 0;
        for byte in input {
            if let Some(slot) = self.header.get_mut(usize::from(self.header_length)) {
                *slot = *byte;
            }
            self.header_length += 1;
            used += 1;
            if self.header_length == 2 {
                self.check_start()?;
            }
            if self.header_length >= 2 && self.header_length == self.header_bytes() {
                self.begin_frame()?;
                break;
            }
        }
        Ok(used)
    }

    /// Returns the length of the header, which its first two bytes give.
    fn header_bytes(&self) -> u8 {
        match self.header[1] & 0x7F {
            126 => 8,
            127 => 14,
            _ => 6,
        }
    }

    /// Refuses an invalid frame by its first two bytes.
    fn check_start(&self) -> Result<(), Violation> {
        let [first, second, ..] = self.header;
        let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F);
        let (masked, length) = (second & 0x80 != 0, second & 0x7F);
        let allowed = match opcode {
            CONTINUATION => self.message.unfinished,
            TEXT | BINARY => !self.message.unfinished,
            CLOSE | PING | PONG => fin && usize::from(length) <= CONTROL_BYTES,
            _ => false,
        };
        if allowed && masked && reserved == 0 { Ok(()) } else { Err(Violation::Protocol) }
    }

    fn begin_frame(&mut self) -> Result<(), Violation> {
        let [first, second, header @ ..] = self.header;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = header;
        let (remaining, mask) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([a, b])), [c, d, e, f]),
            127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), [i, j, k, l]),
            length => (u64::from(length), [a, b, c, d]),
        };
        if remaining > u64::MAX >> 1 {
            return Err(Violation::Protocol);
        }
        let opcode = first & 0x0F;
        match opcode {
            TEXT => self.message.text = Some(Utf8Validator::default()),
            BINARY => self.message.text = None,
            _ => {}
        }
        self.frame = FrameHeader { opcode, fin: first & 0x80 != 0, mask, remaining };
        self.header_length = 0;
        self.in_payload = true;
        Ok(())
    }

    fn read_control(&mut self, payload: &[u8], ended: bool) -> Result<Option<Decoded<'static>>, Violation> {
        if self.frame.opcode == PONG {
            return Ok(None);
        }
        if !ended {
            if !payload.is_empty() {
                self.control.get_or_insert_with(|| Box::new(ControlPayload::new())).push(payload);
            }
            return Ok(None);
        }
        let mut control = self.control.take().map_or(const { ControlPayload::new() }, |control| *control);
        control.push(payload);
        if self.frame.opcode == PING {
            return Ok(Some(Decoded::Ping(control)));
        }
        self.closed = true;
        close_code(control.bytes()).map(|code| Some(Decoded::Close(code)))
    }
}

/// Reads the payload of a close frame (RFC 6455 §7.4): nothing, or a code that may be sent and a reason in UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Protocol);
    }
    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(code))
}

/// Appends a pong.
pub(crate) fn encode_pong(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(0x80 | PONG);
    out.push(payload.len().min(CONTROL_BYTES) as u8);
    out.extend(payload.iter().take(CONTROL_BYTES));
}

/// Appends a close frame without a reason.
pub(crate) fn encode_close(out: &mut Vec<u8>, code: u16) {
    out.extend_from_slice(&[0x80 | CLOSE, 2]);
    out.extend_from_slice(&code.to_be_bytes());
}

#[cfg(test)]
mod tests;
