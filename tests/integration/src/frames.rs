//! WebSocket frames as a client writes them.

/// The handshake of the JSON protocol, with the separator that ends it.
pub const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

/// What a frame is: its first byte, where the frame is a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A text message.
    Text = 0x81,
    /// A binary message.
    Binary = 0x82,
    /// Closes the connection.
    Close = 0x88,
    /// Wants a Pong with the same payload.
    Ping = 0x89,
    /// Answers a Ping.
    Pong = 0x8A,
}

/// Writes a whole frame.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    masked(opcode as u8, payload)
}

/// Writes a frame with this first byte, right or wrong.
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
