//! Changes to bytes that were valid.

use hubward_tests::Random;
use hubward_tests::frame::{self, masked};

/// Bytes that mean much to a decoder: limits of numbers, headers that declare more than there is, text that is not
/// UTF-8, and what opens, closes and separates.
const SPECIAL: &[&[u8]] = &[
    b"\x00",
    b"\xFF",
    b"\x7F",
    b"\x80",
    b"\xC0",
    b"\xC1",
    b"\x1E",
    b"\x1E\x1E",
    b"\"",
    b"\\",
    b"\\u",
    b"\\uD800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-0",
    b"1e999",
    b"99999999999999999999999999",
    b"-9223372036854775809",
    b"\xC3\x28",
    b"\xED\xA0\x80",
    b"\xF4\x90\x80\x80",
    b"\xDD\xFF\xFF\xFF\xFF",
    b"\xDC\xFF\xFF",
    b"\xDF\xFF\xFF\xFF\xFF",
    b"\xDB\xFF\xFF\xFF\xFF",
    b"\xC6\xFF\xFF\xFF\xFF",
    b"\xC9\xFF\xFF\xFF\xFF\x01",
    b"\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\xD3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xFF\xFF\xFF\xFF\x07",
    b"\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\xE9\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\r\n",
    b"\r\n\r\n",
    b"%zz%",
    b"%00",
    b"..",
];

/// What opens a level of nesting, in JSON and MessagePack.
const NESTS: &[&[u8]] = &[b"[", b"{\"a\":", b"\x91", b"\x81\xA1a", b"\xDC\x00\x01", b"\"\\"];

/// Changes bytes in one to three ways.
pub(crate) fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let (from, to) = range(random, bytes.len());
        match random.below(9) {
            0 | 1 => flip(random, bytes),
            2 => bytes.truncate(at),
            3 => {
                bytes.drain(from..to);
            }
            4 => {
                let part = bytes[from..to].to_vec();
                for _ in 0..=random.below(8) {
                    insert(bytes, at, &part);
                }
            }
            5 | 6 => insert(bytes, at, random.one_of(SPECIAL)),
            7 => {
                let special = random.one_of(SPECIAL);
                let end = (at + special.len()).min(bytes.len());
                bytes.splice(at..end, special.iter().copied());
            }
            _ => {
                let nest = random.one_of(NESTS).repeat([3, 64, 65, 130, 5_000][random.below(5)]);
                insert(bytes, at, &nest);
            }
        }
    }
}

fn flip(random: &mut Random, bytes: &mut [u8]) {
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    // Each mutation may grow the bytes; together they must stay bounded.
    if bytes.len() + part.len() <= 256 * 1024 {
        let at = at.min(bytes.len());
        bytes.splice(at..at, part.iter().copied());
    }
}

fn range(random: &mut Random, length: usize) -> (usize, usize) {
    let (one, other) = (random.below(length + 1), random.below(length + 1));
    (one.min(other), one.max(other))
}

/// Frames that no client may send: their first byte, mask, declared length or content is wrong.
pub(crate) fn wrong_frame(random: &mut Random) -> Vec<u8> {
    let payload = vec![b'x'; random.below(200)];
    let valid = |first| masked(first, &payload);
    match random.below(12) {
        // Reserved opcodes, whole and in part.
        0 => valid(0x80 | random.one_of(&[3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])),
        1 => valid(random.one_of(&[3, 7, 0xB, 0xF])),
        // Reserved bits.
        2 => valid(frame::TEXT | random.one_of(&[0x10, 0x20, 0x40, 0x70])),
        // Control frames that are fragmented or too long.
        3 => valid(random.one_of(&[0x08, 0x09, 0x0A])),
        4 => masked(frame::PING, &[b'x'; 126]),
        // A continuation of nothing, and a message that begins twice.
        5 => valid(0x80),
        6 => [valid(0x01), valid(0x01)].concat(),
        // Without a mask.
        7 => [&[0x81, 5][..], b"hello"].concat(),
        // Lengths beyond the data, and lengths in a longer form than they need.
        8 => [&[0x82, 0xFF][..], &u64::MAX.to_be_bytes(), &[0; 4], &payload].concat(),
        9 => [&[0x82, 0xFF][..], &(1_u64 << random.below(63)).to_be_bytes(), &[0; 4], &payload].concat(),
        10 => [&[0x82, 0xFE, 0, 1, 0, 0, 0, 0][..], b"x"].concat(),
        // Close frames that are not valid.
        _ => {
            let end: &[u8] = random.one_of(&[
                b"\x03".as_slice(),
                b"\x00\x00",
                b"\x03\xED",
                b"\xFF\xFF",
                b"\x03\xE8\xFF\xFE",
            ]);
            masked(frame::CLOSE, end)
        }
    }
}
