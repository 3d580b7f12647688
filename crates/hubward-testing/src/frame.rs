//! WebSocket frames: a client's, right or wrong, and a server's.

/// The first byte of a text message that is one frame.
pub const TEXT: u8 = 0x81;

/// The first byte of a binary message that is one frame.
pub const BINARY: u8 = 0x82;

/// The first byte of a close frame.
pub const CLOSE: u8 = 0x88;

/// The first byte of a ping.
pub const PING: u8 = 0x89;

/// The first byte of a pong.
pub const PONG: u8 = 0x8A;

/// The mask of RFC 6455's examples. No byte of it is zero, and no two are the same, so that a payload that is unmasked
/// wrongly is seen to be.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Makes a client's frame with this first byte, right or wrong.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_with(MASK, first, payload)
}

/// Makes a client's frame with a mask of the caller's choice.
pub fn masked_with(mask: [u8; 4], first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Takes a server's frame from the bytes that were received, once all of it is there: its first byte and its payload.
pub fn take(received: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (header_bytes, length) = match **received {
        [_, length @ 0..=125, ..] => (2, usize::from(length)),
        [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize),
        [_, second @ 0x80..=0xFF, ..] => panic!("a server's frame has a mask: {second:#x}"),
        _ => return None,
    };
    let payload = received.get(header_bytes..header_bytes + length)?.to_vec();
    let first = received[0];
    received.drain(..header_bytes + length);
    Some((first, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_frame_is_the_rfcs_masked_hello() {
        assert_eq!(masked(TEXT, b"Hello"), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    fn a_clients_frame_has_the_shortest_length_that_holds() {
        for (length, header) in [
            (125, &b"\x82\xFD"[..]),
            (126, b"\x82\xFE\x00\x7E"),
            (65_535, b"\x82\xFE\xFF\xFF"),
            (65_536, b"\x82\xFF\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            let payload = vec![7; length];
            let whole = [header, b"\x00\x00\x00\x00", &payload].concat();
            assert!(masked_with([0; 4], BINARY, &payload) == whole, "{length}");
        }
    }

    #[test]
    fn a_servers_frame_is_taken_once_it_is_whole() {
        for (header, length) in [
            (&b"\x81\x00"[..], 0),
            (b"\x81\x05", 5),
            (b"\x81\x7E\x00\x7E", 126),
            (b"\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 65_536),
        ] {
            let payload = vec![7; length];
            let mut received = header.to_vec();
            received.extend(&payload);
            for cut in [0, 1, header.len() - 1, received.len() - 1] {
                let mut part = received[..cut].to_vec();
                assert_eq!(take(&mut part), None, "{length}, cut at {cut}");
                assert_eq!(part.len(), cut, "nothing is taken of a part");
            }
            received.extend(b"\x88\x00");
            assert!(take(&mut received) == Some((TEXT, payload)), "{length}");
            assert_eq!(take(&mut received), Some((CLOSE, Vec::new())));
            assert!(received.is_empty());
        }
    }

    #[test]
    #[should_panic(expected = "a server's frame has a mask: 0x85")]
    fn a_servers_frame_with_a_mask_is_refused() {
        take(&mut masked(TEXT, b"Hello"));
    }
}
