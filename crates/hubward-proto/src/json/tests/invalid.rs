//! Invalid records. The expected errors are those of ASP.NET Core 10 in detailed mode for the same bytes.

use super::check_read;

const MALFORMED: &str = "InvalidDataException: Error reading JSON.";

#[track_caller]
fn check_all(records: &[&str], expected: &str) {
    for record in records {
        check_read(record, expected);
    }
}

#[test]
fn what_is_not_json_is_malformed() {
    check_all(
        &["", " ", "nonsense", "{", r#"{"type":6"#, r#"{"type":6,}"#, r#"{"type":6 "a":1}"#, "{type:6}"],
        MALFORMED,
    );
    check_all(
        &[r#"{"type":6,"a":01}"#, r#"{"type":6,"a":-}"#, r#"{"type":6,"a":1.}"#, r#"{"type":6,"a":1e}"#],
        MALFORMED,
    );
    check_all(
        &[r#"{"type":6,"a":"\x"}"#, r#"{"type":6,"a":"\u12g4"}"#, "{\"type\":6,\"a\":\"\t\"}"],
        MALFORMED,
    );
    check_all(&[r#"{"type":6,"a":tru}"#, "{\"type\":6,//c\n\"a\":1}", r#"{"type":6,"a":[1,]}"#], MALFORMED);
    check_all(
        &[r#"{"type":6,"a":[1}"#, r#"{"type":6,"a":{"b"}}"#, r#"{"type":6,"a":"x}"#, r#"{"type":6,"a":}"#],
        MALFORMED,
    );
    check_all(
        &[r#"{"type":1,"arguments":["a"}"#, r#"{"type":1,"arguments":[,]}"#, "\u{feff}{\"type\":6}"],
        MALFORMED,
    );
}

#[test]
fn invalid_utf_8_is_malformed() {
    let read = |record: &[u8]| crate::testing::read(super::JSON, record, &crate::Limits::default());
    assert_eq!(read(b"{\"type\":6,\"a\":\"\xff\"}"), MALFORMED);
    assert_eq!(read(b"{\"type\":1,\"target\":\"\xc3\",\"arguments\":[]}"), MALFORMED);
}

#[test]
fn what_follows_the_object_is_ignored() {
    check_all(&[r#"{"type":6}garbage"#, r#"{"type":6} {"type":6}"#], "Ping");
}

#[test]
fn a_record_must_be_an_object() {
    for (record, found) in [
        ("[1]", "Array"),
        ("null", "Null"),
        ("1", "Number"),
        ("\"x\"", "String"),
        ("true", "True"),
        ("false", "False"),
    ] {
        let expected =
            format!("InvalidDataException: Unexpected JSON Token Type '{found}'. Expected a JSON Object.");
        check_read(record, &expected);
    }
}

#[test]
fn a_missing_property_is_named() {
    for (record, property) in [
        ("{}", "type"),
        (r#"{"Type":1}"#, "type"),
        (r#"{"type":1}"#, "target"),
        (r#"{"type":1,"arguments":[]}"#, "target"),
        (r#"{"type":1,"target":"Echo"}"#, "arguments"),
        (r#"{"type":2}"#, "invocationId"),
        (r#"{"type":2,"invocationId":"","item":1}"#, "invocationId"),
        (r#"{"type":2,"invocationId":"1"}"#, "item"),
        (r#"{"type":3,"error":"x","result":1}"#, "invocationId"),
        (r#"{"type":3,"invocationId":"","result":1}"#, "invocationId"),
        (r#"{"type":4,"target":"Count","arguments":[1,0]}"#, "invocationId"),
        (r#"{"type":4,"invocationId":"","target":"Count","arguments":[1,0]}"#, "invocationId"),
        (r#"{"type":4,"invocationId":"1","arguments":[1,0]}"#, "target"),
        (r#"{"type":4,"invocationId":"1","target":"Count"}"#, "arguments"),
        (r#"{"type":5}"#, "invocationId"),
        (r#"{"type":8}"#, "sequenceId"),
        (r#"{"type":9,"sequenceId":null}"#, "sequenceId"),
    ] {
        check_read(record, &format!("InvalidDataException: Missing required property '{property}'."));
    }
}

#[test]
fn a_property_of_the_wrong_type_is_named() {
    for (record, property, expected) in [
        (r#"{"type":null}"#, "type", "Number"),
        (r#"{"type":"1"}"#, "type", "Number"),
        (r#"{"type":1,"target":null}"#, "target", "String"),
        (r#"{"type":42,"target":5}"#, "target", "String"),
        (r#"{"type":1,"invocationId":null}"#, "invocationId", "String"),
        (r#"{"type":1,"invocationId":1}"#, "invocationId", "String"),
        (r#"{"type":1,"arguments":null}"#, "arguments", "Array"),
        (r#"{"type":1,"arguments":{}}"#, "arguments", "Array"),
        (r#"{"type":1,"streamIds":null}"#, "streamIds", "Array"),
        (r#"{"type":1,"streamIds":"x"}"#, "streamIds", "Array"),
        (r#"{"type":1,"headers":null}"#, "headers", "StartObject"),
        (r#"{"type":1,"headers":[]}"#, "headers", "StartObject"),
        (r#"{"type":3,"error":null}"#, "error", "String"),
        (r#"{"type":7,"error":1}"#, "error", "String"),
        (r#"{"type":8,"sequenceId":"1"}"#, "sequenceId", "Number"),
    ] {
        check_read(record, &format!("InvalidDataException: Expected '{property}' to be of type {expected}."));
    }
    for record in [r#"{"type":7,"allowReconnect":null}"#, r#"{"type":7,"allowReconnect":"x"}"#] {
        check_read(record, "InvalidDataException: Expected 'allowReconnect' to be true or false.");
    }
    for record in [r#"{"type":1,"headers":{"a":1}}"#, r#"{"type":1,"headers":{"a":null}}"#] {
        check_read(record, "InvalidDataException: Expected header 'a' to be of type String.");
    }
}

#[test]
fn stream_ids_must_be_strings() {
    for (id, found) in [("1", "Number"), ("true", "True"), ("[]", "StartArray"), ("{}", "StartObject")] {
        check_read(
            &format!("{{\"type\":1,\"streamIds\":[{id}]}}"),
            &format!(
                "InvalidOperationException: Cannot get the value of a token type '{found}' as a string."
            ),
        );
    }
    check_read(
        r#"{"type":1,"streamIds":[null]}"#,
        "InvalidDataException: Null value for 'streamIds' is not valid.",
    );
}

#[test]
fn numbers_must_be_integers_and_in_range() {
    for (record, bits) in [
        (r#"{"type":1.0}"#, 32),
        (r#"{"type":1e0}"#, 32),
        (r#"{"type":99999999999}"#, 32),
        (r#"{"type":8,"sequenceId":1.5}"#, 64),
        (r#"{"type":9,"sequenceId":99999999999999999999}"#, 64),
    ] {
        check_read(
            record,
            &format!(
                "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an \
                 Int{bits}."
            ),
        );
    }
}

#[test]
fn a_completion_must_not_have_both_a_result_and_an_error() {
    let expected = "InvalidDataException: The 'error' and 'result' properties are mutually exclusive.";
    check_read(r#"{"type":3,"invocationId":"1","result":1,"error":"x"}"#, expected);
    check_read(r#"{"type":3,"error":"x","result":null,"invocationId":"1"}"#, expected);
}

#[test]
fn half_a_surrogate_pair_is_not_a_string() {
    let incomplete =
        "Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.".to_owned();
    let invalid = |unit: &str| {
        format!("Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0x{unit}'.")
    };
    for (string, error) in [
        (r"\ud800", incomplete.clone()),
        (r"\ud800x", incomplete.clone()),
        (r"\ud800\n", incomplete.clone()),
        (r"\ud800\udc00\ud801", incomplete),
        (r"\ud800\u0041", invalid("41")),
        (r"\ud800\ud800", invalid("D800")),
        (r"x\udc00\ud800", invalid("DC00")),
        (r"\ud83d\ude80\udfff", invalid("DFFF")),
    ] {
        check_read(
            &format!(r#"{{"type":1,"target":"{string}"}}"#),
            &format!("InvalidOperationException: {error}"),
        );
    }
}

#[test]
fn a_sequence_id_below_zero_is_that_of_no_message() {
    check_read(r#"{"type":9,"sequenceId":-1}"#, "Sequence 0");
    check_read(r#"{"type":8,"sequenceId":-9223372036854775808}"#, "Ack 0");
}

#[test]
fn a_stream_invocation_reports_a_missing_target_before_a_missing_id() {
    check_read(r#"{"type":4}"#, "InvalidDataException: Missing required property 'target'.");
    check_read(
        r#"{"type":4,"target":"t"}"#,
        "InvalidDataException: Missing required property 'invocationId'.",
    );
}

#[test]
fn an_unknown_type_is_skipped() {
    check_all(&[r#"{"type":42,"x":1}"#, r#"{"type":0}"#, r#"{"type":-1}"#], "skipped");
}
