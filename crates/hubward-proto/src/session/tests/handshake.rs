//! The handshake, with the responses of ASP.NET Core.

use super::{End, Pair, SECOND, stateful};
use crate::{Frame, Limits, Protocol, Protocols, Session, SessionConfig, SessionError, encode, testing};

/// A server with this configuration responds like this to these bytes.
#[track_caller]
fn check(config: &SessionConfig, input: &[u8], response: &str) {
    let now = testing::now();
    let mut server = End::new(Session::server(config.clone(), now));
    server.input.extend_from_slice(input);
    server.read(now);
    let written =
        server.session.poll_output().map(|frame: Frame| frame.message().to_vec()).unwrap_or_default();
    assert_eq!(String::from_utf8(written).unwrap(), format!("{response}\u{1e}"));
    assert_eq!(server.error.is_none(), response == "{}");
    assert_eq!(server.session.can_send(), response == "{}");
}

#[track_caller]
fn check_error(config: &SessionConfig, request: &str, error: &str) {
    let response = serde_json::json!({ "error": error }).to_string();
    check(config, format!("{request}\u{1e}").as_bytes(), &response);
}

#[test]
fn a_server_agrees_to_what_it_supports() {
    let config = SessionConfig::default();
    for request in [
        r#"{"protocol":"json","version":1}"#,
        r#"{"protocol":"JSON","version":2}"#,
        r#"{"protocol":"messagepack","version":0}"#,
        r#"{"extra":[1,{"a":2}],"version":-1,"protocol":"json"}"#,
        r#" {"protocol":"json","version":1} "#,
        r#"{"type":1,"prot\u006fcol":"json","version":1}x"#,
    ] {
        check(&config, format!("{request}\u{1e}").as_bytes(), "{}");
    }
}

#[test]
fn a_server_refuses_what_it_does_not_support() {
    let config = SessionConfig::default();
    check_error(&config, r#"{"protocol":"smoke","version":42}"#, "The protocol 'smoke' is not supported.");
    check_error(
        &config,
        r#"{"protocol":"json","version":1,"protocol":""}"#,
        "The protocol '' is not supported.",
    );
    check_error(
        &config,
        r#"{"protocol":"JSON","version":3}"#,
        "The server does not support version 3 of the 'JSON' protocol.",
    );
    let only_json = SessionConfig { protocols: Protocols::only(Protocol::Json), ..config };
    check_error(
        &only_json,
        r#"{"protocol":"messagepack","version":1}"#,
        "The protocol 'messagepack' is not supported.",
    );
}

#[test]
fn a_binary_protocol_needs_a_binary_transport() {
    let config = SessionConfig { binary: false, ..SessionConfig::default() };
    check_error(
        &config,
        r#"{"protocol":"messagepack","version":1}"#,
        "Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' \
         transfer format.",
    );
    check(&config, b"{\"protocol\":\"json\",\"version\":1}\x1e", "{}");
}

#[test]
fn a_response_says_what_is_wrong_with_a_request_only_in_detailed_mode() {
    let base = "An unexpected error occurred during connection handshake.";
    let detailed = SessionConfig { detailed_errors: true, ..SessionConfig::default() };
    for (request, detail) in [
        ("", "JsonReaderException: The handshake is not valid JSON."),
        ("hello", "JsonReaderException: The handshake is not valid JSON."),
        ("{}", "InvalidDataException: Missing required property 'protocol'. Message content: {}"),
        (
            r#"{"protocol":"json","version":null}"#,
            "InvalidDataException: Missing required property 'version'. Message content: \
             {\"protocol\":\"json\",\"version\":null}",
        ),
        ("[1]", "InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
        (r#"{"protocol":1}"#, "InvalidDataException: Expected 'protocol' to be of type String."),
        (r#"{"version":"1"}"#, "InvalidDataException: Expected 'version' to be of type Number."),
        (
            r#"{"version":1.0}"#,
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
        ),
    ] {
        check_error(&SessionConfig::default(), request, base);
        check_error(&detailed, request, &format!("{base} {detail}"));
    }
}

#[test]
fn a_handshake_that_is_too_long_is_canceled() {
    let config = SessionConfig {
        limits: Limits { message_bytes: Some(40), ..Limits::default() },
        ..SessionConfig::default()
    };
    check(&config, &[b'x'; 41], r#"{"error":"Handshake was canceled."}"#);
}

#[test]
fn a_handshake_that_is_too_late_is_canceled() {
    let now = testing::now();
    let mut server = Session::server(SessionConfig::default(), now);
    assert_eq!(server.poll_timeout(), Some(now + 15 * SECOND));
    assert_eq!(server.handle_timeout(now + 14 * SECOND), Ok(()));
    assert_eq!(server.handle_timeout(now + 15 * SECOND), Err(SessionError::HandshakeTimeout));
    let response = server.poll_output().unwrap();
    assert_eq!(response.message(), b"{\"error\":\"Handshake was canceled.\"}\x1e");
    assert_eq!(server.poll_timeout(), None);

    let mut client = Session::client(SessionConfig::default(), Protocol::Json, 1, now);
    assert_eq!(client.handle_timeout(now + 15 * SECOND), Err(SessionError::HandshakeTimeout));
}

#[test]
fn messages_may_follow_a_handshake_in_the_same_input() {
    let now = testing::now();
    let mut server = End::new(Session::server(SessionConfig::default(), now));
    server.input.extend_from_slice(encode::handshake_request(Protocol::MessagePack, 1).message());
    server.input.extend_from_slice(encode::cancel_invocation(Protocol::MessagePack, "1").message());
    server.read(now);
    assert_eq!(server.take_events(), ["Handshake messagepack 1", "CancelInvocation 1"]);
    assert_eq!(server.session.protocol(), Some(Protocol::MessagePack));
    assert_eq!(server.session.version(), Some(1));
    let response = server.session.poll_output().unwrap();
    assert_eq!(&response.websocket()[..], b"\x82\x03{}\x1e");
}

#[test]
fn a_handshake_may_come_in_two_pieces() {
    let now = testing::now();
    let mut server = End::new(Session::server(SessionConfig::default(), now));
    server.input.extend_from_slice(b"{\"protocol\":\"js");
    server.read(now);
    assert_eq!(server.take_events(), [""; 0]);
    assert_eq!(server.session.protocol(), None);
    server.input.extend_from_slice(b"on\",\"version\":1}\x1e");
    server.read(now);
    assert_eq!(server.take_events(), ["Handshake json 1"]);
}

#[test]
fn a_client_reports_why_the_handshake_failed() {
    let now = testing::now();
    for (response, expected) in [
        (&b"{\"error\":\"go away\"}\x1e"[..], "go away"),
        (b"{\"type\":6}\x1e", "Expected a handshake response from the server."),
        (b"no\x1e", "The handshake is not valid JSON."),
    ] {
        let mut client = End::new(Session::client(SessionConfig::default(), Protocol::Json, 1, now));
        client.input.extend_from_slice(response);
        client.read(now);
        assert_eq!(client.error, Some(SessionError::Handshake { message: expected.to_owned() }));
        assert!(!client.session.can_send());
    }
}

#[test]
fn only_version_2_is_stateful_and_only_if_it_was_negotiated() {
    assert!(Pair::new(stateful(), Protocol::Json, 2).server.session.is_stateful());
    assert!(!Pair::new(stateful(), Protocol::Json, 1).server.session.is_stateful());
    assert!(!Pair::new(SessionConfig::default(), Protocol::Json, 2).server.session.is_stateful());
}

#[test]
fn a_close_before_the_handshake_sends_nothing() {
    let now = testing::now();
    let mut server = Session::server(SessionConfig::default(), now);
    server.close(Some("x"), false);
    assert_eq!(server.poll_output(), None);
    assert!(!server.disconnected(now));
}

#[test]
fn a_close_right_after_the_handshake_follows_its_response() {
    let now = testing::now();
    let mut server = End::new(Session::server(SessionConfig::default(), now));
    server.input.extend_from_slice(encode::handshake_request(Protocol::Json, 1).message());
    server.read(now);
    server.session.close(None, false);
    let written: Vec<Frame> = std::iter::from_fn(|| server.session.poll_output()).collect();
    let response = encode::handshake_response(Protocol::Json, None);
    assert_eq!(written, [response, encode::close(Protocol::Json, None, false)]);
}
