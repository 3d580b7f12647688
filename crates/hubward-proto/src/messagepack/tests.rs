//! MessagePack messages, written and read. The base64 vectors are those of the published protocol.

mod invalid;
mod limits;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{Frame, Limits, Protocol, decode, encode, split, testing};

const MESSAGE_PACK: Protocol = Protocol::MessagePack;

/// A frame is written as these bytes after their length, and they are read as `expected`.
#[track_caller]
fn check(frame: Frame, base64: &str, expected: &str) {
    let bytes = BASE64_STANDARD.decode(base64).unwrap();
    let (len, written) = frame.message().split_first().unwrap();
    assert_eq!(usize::from(*len), bytes.len());
    assert_eq!(BASE64_STANDARD.encode(written), base64);
    check_read(&bytes, expected);
}

#[track_caller]
fn check_read(record: &[u8], expected: &str) {
    assert_eq!(testing::read(MESSAGE_PACK, record, &Limits::default()), expected);
}

#[test]
fn calls_are_written_and_read() {
    check(
        encode::invocation(MESSAGE_PACK, Some("xyz"), "method", &()).unwrap(),
        "lgGAo3h5eqZtZXRob2SQkA==",
        "Invocation xyz method[]",
    );
    check(
        encode::invocation_with_streams(MESSAGE_PACK, None, "Target", &(), &["__test_id__"]).unwrap(),
        "lgGAwKZUYXJnZXSQkatfX3Rlc3RfaWRfXw==",
        r#"Invocation - Target[] uploads ["__test_id__"]"#,
    );
    check(
        encode::stream_invocation(MESSAGE_PACK, "xyz", "method", &(), &[]).unwrap(),
        "lgSAo3h5eqZtZXRob2SQkA==",
        "StreamInvocation xyz method[]",
    );
    check(
        encode::invocation(MESSAGE_PACK, None, "add", &(1, "x", [true])).unwrap(),
        "lgGAwKNhZGSTAaF4kcOQ",
        r#"Invocation - add[1,"x",[true]]"#,
    );
}

#[test]
fn items_and_completions_are_written_and_read() {
    check(encode::stream_item(MESSAGE_PACK, "xyz", &42).unwrap(), "lAKAo3h5eio=", "StreamItem xyz 42");
    check(encode::completion_void(MESSAGE_PACK, "xyz"), "lAOAo3h5egI=", "Completion xyz void");
    check(encode::completion(MESSAGE_PACK, "xyz", &42).unwrap(), "lQOAo3h5egMq", "Completion xyz result 42");
    check(
        encode::completion(MESSAGE_PACK, "xyz", &()).unwrap(),
        "lQOAo3h5egPA",
        "Completion xyz result null",
    );
    check(
        encode::completion_error(MESSAGE_PACK, "xyz", "Error not found!"),
        "lQOAo3h5egGwRXJyb3Igbm90IGZvdW5kIQ==",
        "Completion xyz error Error not found!",
    );
    check(encode::cancel_invocation(MESSAGE_PACK, "xyz"), "kwWAo3h5eg==", "CancelInvocation xyz");
}

#[test]
fn messages_about_the_connection_are_written_and_read() {
    check(encode::ping(MESSAGE_PACK), "kQY=", "Ping");
    check(encode::close(MESSAGE_PACK, None, false), "kwfAwg==", "Close None false");
    check(encode::close(MESSAGE_PACK, None, true), "kwfAww==", "Close None true");
    check(encode::close(MESSAGE_PACK, Some("x"), true), "kweheMM=", r#"Close Some("x") true"#);
    check(encode::ack(MESSAGE_PACK, 42), "kggq", "Ack 42");
    check(encode::sequence(MESSAGE_PACK, 146), "kgnMkg==", "Sequence 146");
}

#[test]
fn structs_are_maps_and_bytes_are_binary() {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Reading {
        bed: u8,
        kind: Kind,
    }
    #[derive(serde::Serialize)]
    enum Kind {
        Pulse,
    }
    let reading = Reading { bed: 7, kind: Kind::Pulse };
    let frame = encode::stream_item(MESSAGE_PACK, "1", &reading).unwrap();
    assert!(frame.message().ends_with(b"\x82\xa3Bed\x07\xa4Kind\xa5Pulse"));
    let frame = encode::stream_item(MESSAGE_PACK, "1", serde_bytes::Bytes::new(&[0, 255])).unwrap();
    assert!(frame.message().ends_with(b"\xc4\x02\x00\xff"));
}

#[test]
fn shorter_and_longer_arrays_than_usual_are_read() {
    // An invocation without stream ids, as older clients send it, and one with an item that later versions may add.
    check_read(b"\x95\x01\x80\xa11\xa1t\x90", "Invocation 1 t[]");
    check_read(b"\x97\x01\x80\xa11\xa1t\x90\x90\x81\xa1x\xc1", "Invocation 1 t[]");
    check_read(b"\x92\x07\xc0", "Close None false");
    check_read(b"\x94\x07\xa1x\xc3\xc0", r#"Close Some("x") true"#);
    check_read(b"\x92\x06\xc1", "Ping");
    check_read(b"\x91\x06garbage", "Ping");
}

#[test]
fn integers_and_strings_are_read_in_any_encoding() {
    for kind in [&b"\x01"[..], b"\xcc\x01", b"\xcd\0\x01", b"\xce\0\0\0\x01", b"\xcf\0\0\0\0\0\0\0\x01"] {
        for id in [&b"\xa11"[..], b"\xd9\x011", b"\xda\0\x011", b"\xdb\0\0\0\x011"] {
            let record = [&b"\x96"[..], kind, b"\x80", id, b"\xa1t\x90\x90"].concat();
            check_read(&record, "Invocation 1 t[]");
        }
    }
    for kind in [&b"\xd0\x06"[..], b"\xd1\0\x06", b"\xd2\0\0\0\x06", b"\xd3\0\0\0\0\0\0\0\x06"] {
        check_read(&[&b"\x91"[..], kind].concat(), "Ping");
        check_read(&[&b"\xdc\0\x01"[..], kind].concat(), "Ping");
        check_read(&[&b"\xdd\0\0\0\x01"[..], kind].concat(), "Ping");
    }
}

#[test]
fn a_nil_or_empty_id_is_absent() {
    check_read(b"\x96\x01\x80\xc0\xa1t\x90\x90", "Invocation - t[]");
    check_read(b"\x96\x01\x80\xa0\xa1t\x90\x90", "Invocation - t[]");
}

#[test]
fn headers_are_read_in_order() {
    check_read(b"\x93\x05\x82\xa1b\xa12\xa1a\xa11\xa1x", "CancelInvocation x b=2 a=1");
    check_read(b"\x93\x05\xde\0\x01\xa1b\xa12\xa1x", "CancelInvocation x b=2");
}

#[test]
fn values_of_every_kind_are_skipped_as_a_whole() {
    let values: [&[u8]; 24] = [
        b"\xc0",
        b"\xc2",
        b"\xc3",
        b"\xca\0\0\0\0",
        b"\xcb\0\0\0\0\0\0\0\0",
        b"\xcc\0",
        b"\xcd\0\0",
        b"\xd0\0",
        b"\xd1\0\0",
        b"\xe0",
        b"\x7f",
        b"\xa3abc",
        b"\xd9\x01x",
        b"\xc4\x01\xff",
        b"\xc5\0\x01\xff",
        b"\xc6\0\0\0\x01\xff",
        b"\xc7\x03\xff123",
        b"\xc8\0\x01\x051",
        b"\xd4\x051",
        b"\xd6\xff1234",
        b"\xd7\xff12345678",
        b"\xd8\x011234567890123456",
        b"\x82\x01\x90\xa1x\xc0",
        b"\xdc\0\x02\x01\x91\x01",
    ];
    for value in values {
        let record = [&b"\x96\x01\x80\xc0\xa1t\x92"[..], value, b"\x2a\x90"].concat();
        let message = decode(MESSAGE_PACK, &record, &Limits::default()).unwrap().unwrap();
        let crate::Message::Invocation(call) = message else { panic!("an invocation") };
        let arguments: Vec<&[u8]> = call.arguments.iter().map(|value| value.bytes()).collect();
        assert_eq!(arguments, [value, &b"\x2a"[..]]);
    }
}

#[test]
fn a_message_comes_after_its_length() {
    let limits = Limits { message_bytes: None, ..Limits::default() };
    assert_eq!(split(MESSAGE_PACK, b"", &limits), Ok(None));
    assert_eq!(split(MESSAGE_PACK, b"\x02\x91", &limits), Ok(None));
    assert_eq!(split(MESSAGE_PACK, b"\x02\x91\x06\x02", &limits), Ok(Some((&b"\x91\x06"[..], 3))));
    assert_eq!(split(MESSAGE_PACK, b"\x00\x91", &limits), Ok(Some((&b""[..], 1))));
    assert_eq!(split(MESSAGE_PACK, b"\x80", &limits), Ok(None));
    // A longer prefix than necessary is accepted.
    assert_eq!(split(MESSAGE_PACK, b"\x81\x80\x00x", &limits), Ok(Some((&b"x"[..], 4))));
    assert_eq!(split(MESSAGE_PACK, b"\xff\xff\xff\xff\x07", &limits), Ok(None));
}

#[test]
fn long_messages_have_long_prefixes() {
    for len in [0, 100, 127, 128, 16_383, 16_384, 70_000] {
        let item = "x".repeat(len);
        let frame = encode::stream_item(MESSAGE_PACK, "1", &item).unwrap();
        let limits = Limits { message_bytes: None, ..Limits::default() };
        let (record, consumed) = split(MESSAGE_PACK, frame.message(), &limits).unwrap().unwrap();
        assert_eq!(consumed, frame.message().len());
        check_read(record, &format!("StreamItem 1 \"{item}\""));
    }
}
