//! Every limit, with a message that just keeps it and one that exceeds it.

use super::JSON;
use crate::{Limits, ProtocolError, RawArguments, split, testing};

const SMALL: Limits = testing::SMALL_LIMITS;

#[track_caller]
fn check(within: &str, expected: &str, beyond: &str, what: &str, limit: usize) {
    let read = |record: &str| testing::read(JSON, record.as_bytes(), &SMALL);
    assert_eq!(read(within), expected);
    let error = format!("InvalidDataException: The message exceeds the limit of {limit} for {what}.");
    assert_eq!(read(beyond), error);
}

#[test]
fn a_message_may_be_as_long_as_the_limit_with_its_separator() {
    assert_eq!(split(JSON, b"123456789012345\x1e", &SMALL), Ok(Some((&b"123456789012345"[..], 16))));
    assert_eq!(split(JSON, b"1234567890123456", &SMALL), Ok(None));
    let too_large = Err(ProtocolError::MessageTooLarge { limit: 16 });
    assert_eq!(split(JSON, b"1234567890123456\x1e", &SMALL), too_large);
    assert_eq!(split(JSON, b"12345678901234567", &SMALL), too_large);
    let unlimited = Limits { message_bytes: None, ..SMALL };
    assert_eq!(split(JSON, b"12345678901234567\x1e", &unlimited), Ok(Some((&b"12345678901234567"[..], 18))));
}

#[test]
fn depth_counts_the_message_itself() {
    let read = |record: &str| testing::read(JSON, record.as_bytes(), &SMALL);
    let malformed = "InvalidDataException: Error reading JSON.";
    assert_eq!(read(r#"{"type":6,"x":[{"a":[]}]}"#), "Ping");
    assert_eq!(read(r#"{"type":6,"x":[{"a":[[]]}]}"#), malformed);
    assert_eq!(read(r#"{"type":1,"target":"t","arguments":[[[]]]}"#), "Invocation - t[[[]]]");
    assert_eq!(read(r#"{"type":1,"target":"t","arguments":[[[[]]]]}"#), malformed);
}

#[test]
fn depth_is_limited_whatever_the_limit_says() {
    let limits = Limits { depth: usize::MAX, message_bytes: None, ..Limits::default() };
    let nested = |depth: usize| format!("{{\"type\":6,\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(testing::read(JSON, nested(127).as_bytes(), &limits), "Ping");
    let malformed = "InvalidDataException: Error reading JSON.";
    assert_eq!(testing::read(JSON, nested(128).as_bytes(), &limits), malformed);
    assert_eq!(testing::read(JSON, nested(1_000_000).as_bytes(), &limits), malformed);
}

#[test]
fn headers_are_limited_in_number_and_bytes() {
    let message = |headers: &str| format!("{{\"type\":5,\"invocationId\":\"1\",\"headers\":{{{headers}}}}}");
    check(
        &message(r#""a":"1","b":"2""#),
        "CancelInvocation 1 a=1 b=2",
        &message(r#""a":"1","b":"2","c":"3""#),
        "headers",
        2,
    );
    check(
        &message(r#""abcd":"1234""#),
        "CancelInvocation 1 abcd=1234",
        &message(r#""abcd":"12345""#),
        "bytes of headers",
        8,
    );
}

#[test]
fn ids_and_targets_are_limited_in_bytes() {
    check(
        r#"{"type":5,"invocationId":"123"}"#,
        "CancelInvocation 123",
        r#"{"type":5,"invocationId":"1234"}"#,
        "bytes of the invocation id",
        3,
    );
    check(
        r#"{"type":1,"target":"abc","arguments":[]}"#,
        "Invocation - abc[]",
        r#"{"type":1,"target":"abcd","arguments":[]}"#,
        "bytes of the target",
        3,
    );
}

#[test]
fn streams_are_limited_in_number_and_bytes() {
    let message =
        |ids: &str| format!("{{\"type\":1,\"target\":\"t\",\"arguments\":[],\"streamIds\":[{ids}]}}");
    let expected = r#"Invocation - t[] uploads ["1", "123"]"#;
    check(&message(r#""1","123""#), expected, &message(r#""1","2","3""#), "stream ids", 2);
    check(&message(r#""1","123""#), expected, &message(r#""1234""#), "bytes of a stream id", 3);
}

#[test]
fn arguments_are_limited_in_number() {
    let message = |arguments: &str| format!("{{\"type\":1,\"target\":\"t\",\"arguments\":[{arguments}]}}");
    check(&message("1,2"), "Invocation - t[1,2]", &message("1,2,3"), "arguments", 2);
}

#[test]
fn arguments_outside_of_a_message_are_checked_too() {
    let read = |bytes| RawArguments::new(JSON, bytes, &SMALL).map(|arguments| arguments.len());
    assert_eq!(read(b" [1 , [2]]"), Ok(2));
    assert_eq!(read(b"[1,2,3]"), Err(ProtocolError::LimitExceeded { what: "arguments", limit: 2 }));
    assert_eq!(read(b"[1] 2"), Err(ProtocolError::MalformedJson));
    assert_eq!(read(b"[1"), Err(ProtocolError::MalformedJson));
    assert_eq!(read(b"{}"), Err(ProtocolError::WrongType { property: "arguments", expected: "Array" }));
}
