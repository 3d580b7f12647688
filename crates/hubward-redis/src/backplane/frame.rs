//! A message on a channel: MessagePack, an array of the version of its format, the id of the backplane that has sent it,
//! and an envelope. The id is what a backplane knows its own messages by; who is meant by an envelope is in it.

use bytes::{BufMut, Bytes, BytesMut};
use hubward_backplane::MAX_ENVELOPE_BYTES;

pub(super) type SenderId = [u8; 8];

/// An array of three, and the version; then bytes of one byte's length, eight.
const BEGIN: [u8; 4] = [0x93, 0x01, 0xc4, 0x08];
/// Bytes of four bytes' length.
const ENVELOPE: u8 = 0xc6;
const HEADER_BYTES: usize = BEGIN.len() + size_of::<SenderId>() + 1 + size_of::<u32>();
/// The most that a message has.
pub(super) const MAX_MESSAGE_BYTES: usize = HEADER_BYTES + MAX_ENVELOPE_BYTES;

/// Encodes a message.
pub(super) fn encode(sender: SenderId, envelope: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER_BYTES + envelope.len());
    frame.put_slice(&BEGIN);
    frame.put_slice(&sender);
    frame.put_u8(ENVELOPE);
    // Envelopes are bounded far below.
    frame.put_u32(u32::try_from(envelope.len()).unwrap_or(u32::MAX));
    frame.put_slice(envelope);
    frame.freeze()
}

/// Returns who has sent a message, and its envelope, which shares its memory; `None` where it is not one of this version.
pub(super) fn decode(message: Bytes) -> Option<(SenderId, Bytes)> {
    let rest = message.strip_prefix(&BEGIN)?;
    let (sender, rest) = rest.split_first_chunk()?;
    let (length, envelope) = rest.strip_prefix(&[ENVELOPE])?.split_first_chunk()?;
    let is_whole = usize::try_from(u32::from_be_bytes(*length)) == Ok(envelope.len());
    let sender = *sender;
    (is_whole && envelope.len() <= MAX_ENVELOPE_BYTES).then(|| (sender, message.slice(HEADER_BYTES..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_messagepack_of_version_sender_and_envelope() {
        let frame = encode(*b"01234567", b"xyz");
        assert_eq!(&frame[..], b"\x93\x01\xc4\x0801234567\xc6\0\0\0\x03xyz");
        assert_eq!(decode(frame), Some((*b"01234567", Bytes::from_static(b"xyz"))));
        assert_eq!(decode(encode([0; 8], b"")), Some(([0; 8], Bytes::new())));
    }

    #[test]
    fn what_is_no_whole_message_of_this_version_is_refused() {
        let frame = encode(*b"01234567", b"xyz");
        for length in 0..frame.len() {
            assert_eq!(decode(frame.slice(..length)), None, "{length}");
        }
        for (place, byte) in [(0, 0x92), (1, 2), (2, 0xc5), (3, 9), (12, 0xc5), (16, 4), (13, 0xff)] {
            let mut changed = frame.to_vec();
            changed[place] = byte;
            assert_eq!(decode(changed.into()), None, "{place}");
        }
        let mut longer = frame.to_vec();
        longer.push(0);
        assert_eq!(decode(longer.into()), None);
    }
}
