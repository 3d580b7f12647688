//! The rules of RFC 6455 as tables, and what must hold for all input.

use hubward_testing::frame::{masked, masked_with};
use proptest::prelude::*;

use super::*;

/// What was decoded of some bytes, in a form that does not depend on how they were cut.
#[derive(Default, PartialEq, Eq, Debug)]
struct Seen {
    payload: Vec<u8>,
    pings: Vec<Vec<u8>>,
    close: Option<Option<u16>>,
    violation: Option<u16>,
}

fn decode(chunks: impl IntoIterator<Item = Vec<u8>>) -> Seen {
    let mut decoder = Decoder::default();
    let mut seen = Seen::default();
    for mut chunk in chunks {
        let mut rest = chunk.as_mut_slice();
        while !rest.is_empty() {
            match decoder.next(rest) {
                Ok((used, event)) => {
                    match event {
                        Some(Decoded::Payload(payload)) => seen.payload.extend_from_slice(payload),
                        Some(Decoded::Ping(ping)) => seen.pings.push(ping.bytes().to_vec()),
                        Some(Decoded::Close(code)) => seen.close = Some(code),
                        None => {}
                    }
                    assert!(used > 0);
                    rest = &mut rest[used..];
                }
                Err(violation) => {
                    seen.violation = Some(violation.code());
                    if violation == Violation::NotUtf8 {
                        seen.payload.clear(); // How much of an invalid text comes before the error depends on the cuts.
                    }
                    return seen;
                }
            }
        }
    }
    seen
}

fn payload(bytes: &[u8]) -> Seen {
    Seen { payload: bytes.to_vec(), ..Seen::default() }
}

fn violates(code: u16) -> Seen {
    Seen { violation: Some(code), ..Seen::default() }
}

/// Checks what is decoded of bytes, whole and byte by byte.
fn check(cases: impl IntoIterator<Item = (&'static str, Vec<u8>, Seen)>) {
    for (name, bytes, expected) in cases {
        assert_eq!(decode([bytes.clone()]), expected, "{name}");
        let piecemeal = decode(bytes.into_iter().map(|byte| vec![byte]));
        assert_eq!(piecemeal, expected, "{name}, byte by byte");
    }
}

#[test]
fn messages_are_decoded_or_refused_as_the_rfc_says() {
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let message_in_message = [masked(0x01, b"a"), masked(0x81, b"b")].concat();
    check([
        ("the RFC's masked Hello", hello.to_vec(), payload(b"Hello")),
        ("binary", masked(0x82, b"\xff\x00"), payload(b"\xff\x00")),
        ("an empty message", masked(0x81, b""), payload(b"")),
        ("16 bits of length", masked(0x82, &[7; 126]), payload(&[7; 126])),
        ("64 bits of length", masked(0x82, &[7; 70_000]), payload(&[7; 70_000])),
        ("fragments", [masked(0x01, b"Hel"), masked(0x80, b"lo")].concat(), payload(b"Hello")),
        ("a mask of zeros", masked_with([0; 4], 0x81, b"plain"), payload(b"plain")),
        ("no mask", b"\x81\x05Hello".to_vec(), violates(1002)),
        ("reserved bit 1", masked(0xC1, b""), violates(1002)),
        ("reserved bit 2", masked(0xA1, b""), violates(1002)),
        ("reserved bit 3", masked(0x91, b""), violates(1002)),
        ("reserved data opcode", masked(0x83, b""), violates(1002)),
        ("reserved control opcode", masked(0x8B, b""), violates(1002)),
        ("a continuation of nothing", masked(0x80, b"x"), violates(1002)),
        ("a message inside a message", message_in_message, Seen { payload: b"a".to_vec(), ..violates(1002) }),
        ("a length of more than 63 bits", b"\x82\xff\x80\0\0\0\0\0\0\0abcd".to_vec(), violates(1002)),
    ]);
}

#[test]
fn a_text_message_is_utf8_and_a_binary_one_is_not_checked() {
    let euro = [masked(0x01, b"\xe2\x82"), masked(0x80, b"\xac")].concat();
    let binary = [masked(0x02, b"\xe2"), masked(0x80, b"\xff")].concat();
    check([
        ("text that is not UTF-8", masked(0x81, b"\xff"), violates(1007)),
        ("text that ends inside a character", masked(0x81, b"\xe2\x82"), violates(1007)),
        ("a character in two fragments", euro, payload("€".as_bytes())),
        ("a surrogate", masked(0x81, b"\xed\xa0\x80"), violates(1007)),
        ("binary", binary, payload(b"\xe2\xff")),
    ]);
}

#[test]
fn pings_and_pongs_are_decoded_or_refused_as_the_rfc_says() {
    let ping = |bytes: &[u8]| Seen { pings: vec![bytes.to_vec()], ..Seen::default() };
    let between = [masked(0x01, b"Hel"), masked(0x89, b"?"), masked(0x80, b"lo")].concat();
    check([
        ("between fragments", between, Seen { payload: b"Hello".to_vec(), ..ping(b"?") }),
        ("a ping without payload", masked(0x89, b""), ping(b"")),
        ("the longest ping", masked(0x89, &[1; 125]), ping(&[1; 125])),
        ("a ping too long", masked(0x89, &[1; 126]), violates(1002)),
        ("a fragmented ping", masked(0x09, b"x"), violates(1002)),
        ("an unsolicited pong", masked(0x8A, b"x"), payload(b"")),
    ]);
}

#[test]
fn a_close_has_a_code_that_may_be_sent_or_none() {
    let close = |code| Seen { close: Some(code), ..Seen::default() };
    let close_frame = |code: u16, reason: &[u8]| masked(0x88, &[&code.to_be_bytes(), reason].concat());
    check([
        ("no code", masked(0x88, b""), close(None)),
        ("a code and a reason", close_frame(1000, b"bye"), close(Some(1000))),
        ("a code of the application", close_frame(4999, b""), close(Some(4999))),
        ("what follows a close", [close_frame(1001, b""), b"junk".to_vec()].concat(), close(Some(1001))),
        ("half a code", masked(0x88, b"\x03"), violates(1002)),
        ("a reason that is not UTF-8", close_frame(1000, b"\xff"), violates(1007)),
    ]);
    for code in [999, 1004, 1005, 1006, 1015, 2999, 5000] {
        check([("a code that may not be sent", close_frame(code, b""), violates(1002))]);
    }
}

#[test]
fn text_is_refused_at_the_first_byte_that_makes_it_invalid() {
    let mut decoder = Decoder::default();
    let mut bytes = masked(0x01, b"good \xce\xba\xe1\xbd\xb9\xf4\x90");
    let cut = bytes.len() - 1;
    let (good, bad) = bytes.split_at_mut(cut);
    let mut rest = good;
    while !rest.is_empty() {
        let (used, _) = decoder.next(rest).unwrap();
        rest = &mut rest[used..];
    }
    assert_eq!(decoder.next(bad), Err(Violation::NotUtf8));
}

#[test]
fn a_declared_length_costs_nothing() {
    let mut header = b"\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00\x01\x02\x03\x04x".to_vec();
    let mut decoder = Decoder::default();
    let (used, event) = decoder.next(&mut header).unwrap();
    assert_eq!((used, event), (15, Some(Decoded::Payload(&[b'x' ^ 1]))));
}

#[test]
fn control_frames_are_encoded_as_the_rfc_says() {
    let mut out = Vec::new();
    encode_pong(&mut out, b"Hello");
    encode_close(&mut out, 1000);
    assert_eq!(out, b"\x8a\x05Hello\x88\x02\x03\xe8");
}

fn chunks(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (chunk, after) = rest.split_at((*cut).min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks.push(rest.to_vec());
    chunks
}

proptest! {
    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(0usize..9, 0..40),
    ) {
        prop_assert_eq!(decode(chunks(&bytes, &cuts)), decode([bytes]));
    }

    #[test]
    fn any_messages_come_through_however_they_are_cut(
        messages in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..400), any::<[u8; 4]>(), any::<bool>()), 0..8),
        cuts in prop::collection::vec(0usize..60, 0..60),
    ) {
        let mut bytes = Vec::new();
        let mut whole = Vec::new();
        for (message, mask, fragmented) in &messages {
            whole.extend_from_slice(message);
            if *fragmented {
                let (head, tail) = message.split_at(message.len() / 2);
                bytes.extend(masked_with(*mask, 0x02, head));
                bytes.extend(masked(0x89, b"in between"));
                bytes.extend(masked_with(*mask, 0x80, tail));
            } else {
                bytes.extend(masked_with(*mask, 0x82, message));
            }
        }
        let seen = decode(chunks(&bytes, &cuts));
        prop_assert_eq!(seen.violation, None);
        prop_assert_eq!(seen.payload, whole);
        prop_assert_eq!(seen.pings.len(), messages.iter().filter(|message| message.2).count());
    }

    #[test]
    fn text_in_pieces_is_valid_where_the_whole_is(
        text in prop_oneof![
            any::<String>().prop_map(String::into_bytes),
            prop::collection::vec(prop_oneof![any::<u8>(), Just(0xE2), Just(0x82), Just(0xAC)], 0..60),
        ],
        cuts in prop::collection::vec(0usize..6, 0..40),
    ) {
        let seen = decode(chunks(&masked(0x81, &text), &cuts));
        let valid = std::str::from_utf8(&text).is_ok();
        prop_assert_eq!(seen.violation, if valid { None } else { Some(1007) });
    }

    #[test]
    fn unmasking_in_pieces_is_unmasking_the_whole(
        bytes in prop::collection::vec(any::<u8>(), 0..300), mask in any::<[u8; 4]>(), cut in 0usize..300,
    ) {
        let mut pieces = bytes.clone();
        let mut turned = mask;
        let (head, tail) = pieces.split_at_mut(cut.min(bytes.len()));
        unmask(head, &mut turned);
        unmask(tail, &mut turned);
        let expected: Vec<u8> = bytes.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        prop_assert_eq!(pieces, expected);
    }
}
