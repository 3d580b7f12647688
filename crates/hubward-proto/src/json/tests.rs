//! JSON messages, written and read.

mod invalid;
mod limits;

use crate::{Frame, Limits, Protocol, encode, split, testing};

/// A frame is written as `wire`, and `wire` is read as `expected`.
#[track_caller]
fn check(frame: Frame, wire: &str, expected: &str) {
    assert_eq!(str::from_utf8(frame.message()).unwrap(), format!("{wire}\u{1e}"));
    check_read(wire, expected);
}

#[track_caller]
fn check_read(wire: &str, expected: &str) {
    assert_eq!(testing::read(Protocol::Json, wire.as_bytes(), &Limits::default()), expected);
}

const JSON: Protocol = Protocol::Json;

#[test]
fn calls_are_written_and_read() {
    check(
        encode::invocation(JSON, None, "poke", &()).unwrap(),
        r#"{"type":1,"target":"poke","arguments":[]}"#,
        "Invocation - poke[]",
    );
    check(
        encode::invocation(JSON, Some("1"), "Add", &(2, "x")).unwrap(),
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[2,"x"]}"#,
        r#"Invocation 1 Add[2,"x"]"#,
    );
    check(
        encode::invocation_with_streams(JSON, None, "Sum", &(), &["7", "8"]).unwrap(),
        r#"{"type":1,"target":"Sum","arguments":[],"streamIds":["7","8"]}"#,
        r#"Invocation - Sum[] uploads ["7", "8"]"#,
    );
    check(
        encode::stream_invocation(JSON, "2", "Count", &(1, 0), &[]).unwrap(),
        r#"{"type":4,"invocationId":"2","target":"Count","arguments":[1,0]}"#,
        "StreamInvocation 2 Count[1,0]",
    );
    check(
        encode::stream_invocation(JSON, "2", "Double", &(), &["s"]).unwrap(),
        r#"{"type":4,"invocationId":"2","target":"Double","arguments":[],"streamIds":["s"]}"#,
        r#"StreamInvocation 2 Double[] uploads ["s"]"#,
    );
}

#[test]
fn items_and_completions_are_written_and_read() {
    check(
        encode::stream_item(JSON, "2", &[1, 2]).unwrap(),
        r#"{"type":2,"invocationId":"2","item":[1,2]}"#,
        "StreamItem 2 [1,2]",
    );
    check(
        encode::completion(JSON, "1", &()).unwrap(),
        r#"{"type":3,"invocationId":"1","result":null}"#,
        "Completion 1 result null",
    );
    check(
        encode::completion(JSON, "1", "done").unwrap(),
        r#"{"type":3,"invocationId":"1","result":"done"}"#,
        r#"Completion 1 result "done""#,
    );
    check(encode::completion_void(JSON, "1"), r#"{"type":3,"invocationId":"1"}"#, "Completion 1 void");
    check(
        encode::completion_error(JSON, "1", "the \"ward\" is full"),
        r#"{"type":3,"invocationId":"1","error":"the \"ward\" is full"}"#,
        r#"Completion 1 error the "ward" is full"#,
    );
    check(
        encode::cancel_invocation(JSON, "é\u{1}"),
        "{\"type\":5,\"invocationId\":\"é\\u0001\"}",
        "CancelInvocation é\u{1}",
    );
}

#[test]
fn messages_about_the_connection_are_written_and_read() {
    check(encode::ping(JSON), r#"{"type":6}"#, "Ping");
    check(encode::close(JSON, None, false), r#"{"type":7}"#, "Close None false");
    check(
        encode::close(JSON, Some("over"), true),
        r#"{"type":7,"error":"over","allowReconnect":true}"#,
        r#"Close Some("over") true"#,
    );
    check(encode::ack(JSON, 42), r#"{"type":8,"sequenceId":42}"#, "Ack 42");
    check(encode::sequence(JSON, 146), r#"{"type":9,"sequenceId":146}"#, "Sequence 146");
}

#[test]
fn handshakes_are_written() {
    let written = |frame: Frame| String::from_utf8(frame.message().to_vec()).unwrap();
    for protocol in Protocol::ALL {
        let request = format!("{{\"protocol\":\"{}\",\"version\":2}}\u{1e}", protocol.name());
        assert_eq!(written(encode::handshake_request(protocol, 2)), request);
        assert_eq!(written(encode::handshake_response(protocol, None)), "{}\u{1e}");
        assert_eq!(written(encode::handshake_response(protocol, Some("no"))), "{\"error\":\"no\"}\u{1e}");
    }
}

#[test]
fn properties_come_in_any_order_and_unknown_ones_are_skipped() {
    check_read(
        r#"{"arguments":["x"],"more":{"a":[1,{"b":null}],"c":"]}\""},"target":"Echo","invocationId":"9","type":1}"#,
        r#"Invocation 9 Echo["x"]"#,
    );
    check_read(r#"{"result":[{}],"invocationId":"9","type":3}"#, "Completion 9 result [{}]");
    check_read(r#"{"item":1.5e-7,"invocationId":"9","type":2}"#, "StreamItem 9 1.5e-7");
    check_read(" {\t\"type\" :\r\n 6 , \"x\" : [ 1 , 2 ] , \"y\" : { } } ", "Ping");
}

#[test]
fn of_two_properties_with_the_same_name_the_later_counts() {
    check_read(r#"{"type":1,"type":6}"#, "Ping");
    check_read(
        r#"{"type":1,"target":"Add","target":"Echo","arguments":["a"],"arguments":["b"]}"#,
        r#"Invocation - Echo["b"]"#,
    );
}

#[test]
fn escapes_are_decoded_in_names_and_strings() {
    check_read(
        r#"{"t\u0079pe":1,"invocationId":"\ud83d\ude80\n","target":"Ec\u0068o","arguments":["\u0041"]}"#,
        "Invocation \u{1f680}\n Echo[\"A\"]",
    );
}

#[test]
fn an_empty_id_is_absent() {
    check_read(r#"{"type":1,"invocationId":"","target":"Echo","arguments":[]}"#, "Invocation - Echo[]");
}

#[test]
fn headers_are_read_in_order() {
    check_read(
        r#"{"type":5,"headers":{"b":"2","a":"\u0031","b":"3"},"invocationId":"1"}"#,
        "CancelInvocation 1 b=3 a=1",
    );
    check_read(r#"{"type":5,"headers":{},"invocationId":"1"}"#, "CancelInvocation 1");
}

#[test]
fn a_record_ends_with_its_separator() {
    let limits = Limits::default();
    assert_eq!(split(JSON, b"", &limits), Ok(None));
    assert_eq!(split(JSON, b"{}", &limits), Ok(None));
    assert_eq!(split(JSON, b"{}\x1e[", &limits), Ok(Some((&b"{}"[..], 3))));
    assert_eq!(split(JSON, b"\x1e", &limits), Ok(Some((&b""[..], 1))));
}
