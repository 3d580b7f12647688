//! WebSocket frames as a client writes them.

/// What a frame is, as its first byte says when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Text.
    Text = 0x81,
    /// Bytes.
    Binary = 0x82,
    /// The end.
    Close = 0x88,
    /// Are you there?
    Ping = 0x89,
    /// Yes.
    Pong = 0x8A,
}

/// Writes a whole frame.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    masked(opcode as u8, payload)
}

/// Writes a frame with this first byte.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
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
