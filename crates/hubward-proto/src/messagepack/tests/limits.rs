//! Every limit, with a message that just keeps it and one that exceeds it.

use super::MESSAGE_PACK;
use crate::{Limits, ProtocolError, RawArguments, split, testing};

const SMALL: Limits = Limits { message_bytes: Some(4), ..testing::SMALL_LIMITS };

#[track_caller]
fn check(within: &[u8], expected: &str, beyond: &[u8], what: &str, limit: usize) {
    assert_eq!(testing::read(MESSAGE_PACK, within, &SMALL), expected);
    let error = format!("InvalidDataException: The message exceeds the limit of {limit} for {what}.");
    assert_eq!(testing::read(MESSAGE_PACK, beyond, &SMALL), error);
}

#[test]
fn a_message_may_be_as_long_as_the_limit_with_its_prefix() {
    assert_eq!(split(MESSAGE_PACK, b"\x03123", &SMALL), Ok(Some((&b"123"[..], 4))));
    // The prefix alone shows that the message is too long.
    assert_eq!(split(MESSAGE_PACK, b"\x04", &SMALL), Err(ProtocolError::MessageTooLarge { limit: 4 }));
    assert_eq!(split(MESSAGE_PACK, b"\x83\x00", &SMALL), Err(ProtocolError::MessageTooLarge { limit: 4 }));
}

#[test]
fn depth_counts_the_message_itself() {
    let read = |record: &[u8]| testing::read(MESSAGE_PACK, record, &SMALL);
    let malformed = |field| format!("InvalidDataException: Reading the value of '{field}' failed.");
    assert_eq!(read(b"\x95\x01\x80\xc0\xa1t\x91\x91\x90"), "Invocation - t[[[]]]");
    assert_eq!(read(b"\x95\x01\x80\xc0\xa1t\x91\x91\x91\x90"), malformed("arguments"));
    assert_eq!(read(b"\x94\x02\x80\xa11\x91\x91\x90"), "StreamItem 1 [[[]]]");
    assert_eq!(read(b"\x94\x02\x80\xa11\x91\x91\x81\x01\x90"), malformed("item"));
}

#[test]
fn depth_is_limited_whatever_the_limit_says() {
    let limits = Limits { depth: usize::MAX, ..Limits::default() };
    let mut record = b"\x94\x02\x80\xa11".to_vec();
    record.resize(1_000_000, 0x91);
    let expected = "InvalidDataException: Reading the value of 'item' failed.";
    assert_eq!(testing::read(MESSAGE_PACK, &record, &limits), expected);
}

#[test]
fn headers_are_limited_in_number_and_bytes() {
    check(
        b"\x93\x05\x82\xa1a\xa11\xa1b\xa12\xa11",
        "CancelInvocation 1 a=1 b=2",
        b"\x93\x05\xdf\xff\xff\xff\xff",
        "headers",
        2,
    );
    check(
        b"\x93\x05\x81\xa4abcd\xa41234\xa11",
        "CancelInvocation 1 abcd=1234",
        b"\x93\x05\x81\xa4abcd\xa512345\xa11",
        "bytes of headers",
        8,
    );
}

#[test]
fn ids_and_targets_are_limited_in_bytes() {
    check(
        b"\x93\x05\x80\xa3123",
        "CancelInvocation 123",
        b"\x93\x05\x80\xa41234",
        "bytes of the invocation id",
        3,
    );
    check(
        b"\x95\x01\x80\xc0\xa3abc\x90",
        "Invocation - abc[]",
        b"\x95\x01\x80\xc0\xa4abcd\x90",
        "bytes of the target",
        3,
    );
}

#[test]
fn streams_are_limited_in_number_and_bytes() {
    let within = b"\x96\x01\x80\xc0\xa1t\x90\x92\xa11\xa3123";
    let expected = r#"Invocation - t[] uploads ["1", "123"]"#;
    check(within, expected, b"\x96\x01\x80\xc0\xa1t\x90\xdd\xff\xff\xff\xff", "stream ids", 2);
    check(within, expected, b"\x96\x01\x80\xc0\xa1t\x90\x91\xa41234", "bytes of a stream id", 3);
}

#[test]
fn arguments_are_limited_in_number() {
    check(
        b"\x95\x01\x80\xc0\xa1t\x92\x01\x02",
        "Invocation - t[1,2]",
        b"\x95\x01\x80\xc0\xa1t\xdd\xff\xff\xff\xff",
        "arguments",
        2,
    );
}

#[test]
fn arguments_outside_of_a_message_are_checked_too() {
    let read = |bytes| RawArguments::new(MESSAGE_PACK, bytes, &SMALL).map(|arguments| arguments.len());
    assert_eq!(read(b"\x92\x01\x91\x02"), Ok(2));
    assert_eq!(read(b"\x93\x01\x02\x03"), Err(ProtocolError::LimitExceeded { what: "arguments", limit: 2 }));
    assert_eq!(read(b"\x90\x00"), Err(ProtocolError::MalformedValue { field: "arguments" }));
    assert_eq!(read(b"\x91"), Err(ProtocolError::MalformedValue { field: "arguments" }));
    assert_eq!(read(b"\xc0"), Err(ProtocolError::UnreadableLength { kind: "array", field: "arguments" }));
}
