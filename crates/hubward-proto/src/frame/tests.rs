//! Headers at the lengths where their form changes, and frames that other nodes have encoded.

use bytes::Bytes;

use super::{Frame, HEADER_SPACE};
use crate::{Protocol, encode};

fn frame(protocol: Protocol, len: usize) -> Frame {
    let mut buffer = vec![0; HEADER_SPACE];
    buffer.resize(HEADER_SPACE + len, b'x');
    Frame::build(buffer, HEADER_SPACE, protocol.is_binary(), true)
}

#[test]
fn the_header_is_as_short_as_the_length_allows() {
    for (len, header) in [
        (1, &b"\x81\x01"[..]),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ] {
        let frame = frame(Protocol::Json, len);
        assert_eq!(frame.message(), vec![b'x'; len]);
        assert!(frame.websocket().starts_with(header));
        assert_eq!(frame.len(), header.len() + len);
    }
    assert!(frame(Protocol::MessagePack, 1).websocket().starts_with(b"\x82\x01"));
}

#[test]
fn a_frame_that_another_node_has_encoded_is_the_same_frame() {
    for protocol in Protocol::ALL {
        for len in [0, 50, 100, 1_000, 100_000] {
            let sent = encode::invocation(protocol, None, "m", &("x".repeat(len),)).unwrap();
            let received = Frame::from_websocket(Bytes::copy_from_slice(sent.websocket())).unwrap();
            assert_eq!(received, sent);
        }
    }
}

#[test]
fn bytes_without_the_expected_header_are_not_a_frame() {
    for bytes in [
        &b""[..],
        b"\x81",
        b"\x81\x00",
        b"\x81\x02x",
        b"\x81\x01xx",
        b"\x01\x01x",
        b"\x88\x01x",
        b"\x81\x81\0\0\0\0x",
        b"\x81\x7e\x00\x01x",
        b"\x81\x7e\x00",
        b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01x",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(Frame::from_websocket(Bytes::from_static(bytes)), None, "{bytes:?}");
    }
}

#[test]
fn bytes_without_the_hub_protocol_are_framed_as_text_or_binary() {
    assert_eq!(Frame::from_payload(b"x", false).unwrap().websocket(), &b"\x81\x01x"[..]);
    let frame = Frame::from_payload(&[7; 126], true).unwrap();
    assert!(frame.websocket().starts_with(b"\x82\x7e\x00\x7e\x07"));
    assert_eq!(frame.message(), [7; 126]);
    assert_eq!(Frame::from_payload(b"", true), None);
}

#[test]
fn only_types_1_to_5_are_counted() {
    for protocol in Protocol::ALL {
        for frame in [
            encode::invocation(protocol, None, "m", &()).unwrap(),
            encode::stream_item(protocol, "1", &1).unwrap(),
            encode::completion(protocol, "1", &1).unwrap(),
            encode::completion_void(protocol, "1"),
            encode::completion_error(protocol, "1", "x"),
            encode::stream_invocation(protocol, "1", "m", &(), &[]).unwrap(),
            encode::cancel_invocation(protocol, "1"),
        ] {
            assert!(frame.is_counted());
        }
        for frame in [
            encode::ping(protocol),
            encode::close(protocol, None, false),
            encode::ack(protocol, 1),
            encode::sequence(protocol, 1),
            encode::handshake_request(protocol, 1),
            encode::handshake_response(protocol, None),
        ] {
            assert!(!frame.is_counted());
        }
    }
}

#[test]
fn constant_frames_have_correct_headers() {
    for protocol in Protocol::ALL {
        for frame in [encode::ping(protocol), encode::handshake_response(protocol, None)] {
            let parsed = Frame::from_websocket(frame.websocket().clone()).unwrap();
            assert_eq!(parsed.message(), frame.message());
        }
    }
}

#[test]
fn debug_shows_no_message() {
    let frame = encode::completion_error(Protocol::Json, "1", "secret").websocket().clone();
    assert!(!format!("{:?}", Frame::from_websocket(frame)).contains("secret"));
}

#[test]
fn a_frame_holds_about_as_many_bytes_as_it_counts() {
    for protocol in Protocol::ALL {
        for len in [300, 600, 5_000, 70_000, (1 << 20) + 1, 5 << 19] {
            let frame = encode::completion(protocol, "1", &"x".repeat(len)).unwrap();
            let counted = frame.len();
            let held = frame.bytes.try_into_mut().unwrap().capacity();
            assert!(held <= counted + counted / 8, "{held} bytes are held for {counted}");
        }
    }
}
