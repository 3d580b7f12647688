//! Invalid records, with the errors that ASP.NET Core's reader has for them.

use super::{MESSAGE_PACK, check_read};
use crate::{Limits, ProtocolError, split};

#[test]
fn a_message_must_be_an_array() {
    for record in [&b""[..], b"\xc0", b"\x80", b"\x06", b"\xa1x", b"\xc1", b"\xdc\x01"] {
        check_read(record, "MessagePackSerializationException: Reading the array of the message failed.");
    }
}

#[test]
fn a_missing_item_or_one_of_the_wrong_type_is_named() {
    for (record, field, expected) in [
        (&b"\x90"[..], "messageType", "Int32"),
        (b"\x91", "messageType", "Int32"),
        (b"\x91\xa11", "messageType", "Int32"),
        (b"\x91\xce\xff\xff\xff\xff", "messageType", "Int32"),
        (b"\x92\x01\x80", "invocationId", "String"),
        (b"\x93\x01\x80\x01", "invocationId", "String"),
        (b"\x93\x01\x80\xa1\xff", "invocationId", "String"),
        (b"\x93\x01\x80\xa9x", "invocationId", "String"),
        (b"\x93\x01\x80\xc0", "target", "String"),
        (b"\x94\x01\x80\xc0\x01", "target", "String"),
        (b"\x93\x03\x80\xa11", "resultKind", "Int32"),
        (b"\x94\x03\x80\xa11\x01", "error", "String"),
        (b"\x91\x07", "error", "String"),
        (b"\x93\x07\xc0\xc0", "allowReconnect", "Boolean"),
        (b"\x91\x08", "sequenceId", "Int64"),
        (b"\x92\x09\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "sequenceId", "Int64"),
        (b"\x96\x01\x80\xc0\xa1t\x90\x91\x01", "streamIds", "String"),
        (b"\x92\x05\x81\x01\x02", "headers", "String"),
        (b"\x92\x05\x81\xa1a\x02", "headers", "String"),
    ] {
        check_read(record, &format!("InvalidDataException: Reading '{field}' as {expected} failed."));
    }
}

#[test]
fn a_missing_length_is_named() {
    for (record, kind, field) in [
        (&b"\x91\x01"[..], "map", "headers"),
        (b"\x92\x01\xc0", "map", "headers"),
        (b"\x94\x01\x80\xc0\xa1t", "array", "arguments"),
        (b"\x95\x01\x80\xc0\xa1t\xc0", "array", "arguments"),
        (b"\x96\x01\x80\xc0\xa1t\x90\xc0", "array", "streamIds"),
    ] {
        check_read(record, &format!("InvalidDataException: Reading {kind} length for '{field}' failed."));
    }
}

#[test]
fn required_strings_must_not_be_nil_or_empty() {
    for (record, what) in [
        (&b"\x94\x01\x80\xc0\xc0"[..], "target for Invocation message"),
        (b"\x94\x01\x80\xc0\xa0", "target for Invocation message"),
        (b"\x93\x04\x80\xc0", "invocation ID for StreamInvocation message"),
        (b"\x93\x04\x80\xa0", "invocation ID for StreamInvocation message"),
        (b"\x94\x04\x80\xa11\xc0", "target for StreamInvocation message"),
        (b"\x93\x02\x80\xc0", "invocation ID for StreamItem message"),
        (b"\x93\x03\x80\xa0", "invocation ID for Completion message"),
        (b"\x93\x05\x80\xc0", "invocation ID for CancelInvocation message"),
        (b"\x92\x05\x81\xa0", "key in header"),
        (b"\x92\x05\x81\xa1a\xa0", "value in header"),
        (b"\x96\x01\x80\xc0\xa1t\x90\x91\xc0", "value in streamIds received"),
    ] {
        check_read(record, &format!("InvalidDataException: Null or empty {what}."));
    }
}

#[test]
fn a_completion_must_have_a_known_result_kind() {
    check_read(b"\x94\x03\x80\xa11\x04", "InvalidDataException: Invalid invocation result kind.");
    check_read(b"\x95\x03\x80\xa11\x01\xc0", "Completion 1 void");
}

#[test]
fn a_malformed_value_is_named() {
    for (record, field) in [
        (&b"\x95\x01\x80\xc0\xa1t\x91\xc1"[..], "arguments"),
        (b"\x95\x01\x80\xc0\xa1t\x92\x01", "arguments"),
        (b"\x95\x01\x80\xc0\xa1t\x91\xdd\xff\xff\xff\xff", "arguments"),
        (b"\x95\x01\x80\xc0\xa1t\x91\xc9\xff\xff\xff\xff", "arguments"),
        (b"\x93\x02\x80\xa11", "item"),
        (b"\x94\x02\x80\xa11\xc6\xff\xff\xff\xff", "item"),
        (b"\x95\x03\x80\xa11\x03\xa2x", "result"),
    ] {
        check_read(record, &format!("InvalidDataException: Reading the value of '{field}' failed."));
    }
}

#[test]
fn an_unknown_type_is_skipped() {
    for record in [&b"\x91\x2a"[..], b"\x92\x00\xc1", b"\x91\xff"] {
        check_read(record, "skipped");
    }
}

#[test]
fn a_length_beyond_2_gib_is_rejected() {
    let limits = Limits { message_bytes: None, ..Limits::default() };
    for input in [b"\xff\xff\xff\xff\x08", b"\xff\xff\xff\xff\xff", b"\x80\x80\x80\x80\x80"] {
        assert_eq!(split(MESSAGE_PACK, input, &limits), Err(ProtocolError::InvalidLengthPrefix));
    }
}
