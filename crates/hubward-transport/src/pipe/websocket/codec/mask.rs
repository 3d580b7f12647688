//! Removes the mask of a client's frame: XOR with four bytes, repeated. Eight bytes are done at a time; a mask of
//! zeros costs nothing.

/// Unmasks a piece of a payload, and rotates the mask to where the next piece begins.
pub(crate) fn unmask(payload: &mut [u8], mask: &mut [u8; 4]) {
    if *mask == [0; 4] {
        return;
    }
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(payload.len() % 4);
}
