//! Envelopes byte by byte, and hostile input.

mod trace;

use proptest::prelude::*;

use self::trace::{any_trace, trace};
use super::*;

fn bytes(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

fn from_node(body: Body) -> Envelope {
    Envelope { sender: "n1".into(), trace: None, number: None, body }
}

fn all_golden() -> impl Iterator<Item = (Body, &'static [u8])> {
    golden().into_iter().chain(golden_client_results()).chain(golden_confirmations())
}

/// One of each other body, with its bytes in the documented layout.
fn golden() -> Vec<(Body, &'static [u8])> {
    let frames = || Frames { json: Some(bytes(b"\x81\x02{}")), messagepack: Some(bytes(b"\x82\x00")) };
    vec![
        (
            Body::Deliver { frames: frames(), except: vec!["c1".into(), "c2".into()] },
            b"\x96\x01\x00\xa2n1\xc4\x04\x81\x02{}\xc4\x02\x82\x00\x92\xa2c1\xa2c2",
        ),
        (Body::Deliver { frames: Frames::default(), except: vec![] }, b"\x96\x01\x00\xa2n1\xc0\xc0\x90"),
        (
            Body::DeliverTo { hub: "h".into(), connections: vec!["c1".into()], frames: frames() },
            b"\x97\x01\x01\xa2n1\xa1h\x91\xa2c1\xc4\x04\x81\x02{}\xc4\x02\x82\x00",
        ),
        (
            Body::InvokeClient {
                id: 7,
                hub: "h".into(),
                connection: "c1".into(),
                frames: frames(),
                invocation_id: "s1".into(),
            },
            b"\x99\x01\x02\xa2n1\x07\xa1h\xa2c1\xc4\x04\x81\x02{}\xc4\x02\x82\x00\xa2s1",
        ),
        (
            Body::CancelInvokeClient { id: u64::MAX },
            b"\x94\x01\x04\xa2n1\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        (
            Body::Abort { id: 9, hub: "h".into(), connection: "c1".into() },
            b"\x96\x01\x05\xa2n1\x09\xa1h\xa2c1",
        ),
        (
            Body::JoinGroup { id: 300, hub: "h".into(), connection: "c1".into(), group: "ward:7".into() },
            b"\x97\x01\x06\xa2n1\xcd\x01\x2c\xa1h\xa2c1\xa6ward:7",
        ),
        (
            Body::LeaveGroup { id: 0, hub: "h".into(), connection: "c1".into(), group: "".into() },
            b"\x97\x01\x07\xa2n1\x00\xa1h\xa2c1\xa0",
        ),
        (
            Body::UserChanged { id: 1, hub: "h".into(), user: "u".into(), group: "g".into() },
            b"\x97\x01\x08\xa2n1\x01\xa1h\xa1u\xa1g",
        ),
        (Body::Resumed, b"\x93\x01\x0a\xa2n1"),
        (
            Body::UserBanned { id: 1, hub: "h".into(), user: "u".into(), group: "g".into() },
            b"\x97\x01\x0b\xa2n1\x01\xa1h\xa1u\xa1g",
        ),
        (
            Body::DisconnectUser { id: 1, hub: "h".into(), user: "u".into() },
            b"\x96\x01\x0c\xa2n1\x01\xa1h\xa1u",
        ),
        (Body::ConfirmLink { id: 5 }, b"\x94\x01\x0d\xa2n1\x05"),
        (Body::Marker { id: 6 }, b"\x94\x01\x0e\xa2n1\x06"),
    ]
}

/// Each outcome of a client result, with its bytes.
fn golden_client_results() -> Vec<(Body, &'static [u8])> {
    let client_result = |outcome| Body::ClientResult { id: 7, outcome };
    let result = ClientResultOutcome::Result { protocol: 1, bytes: bytes(b"\xc3") };
    vec![
        (client_result(result), b"\x97\x01\x03\xa2n1\x07\x00\x01\xc4\x01\xc3"),
        (client_result(ClientResultOutcome::Void), b"\x95\x01\x03\xa2n1\x07\x01"),
        (client_result(ClientResultOutcome::Error("no".into())), b"\x96\x01\x03\xa2n1\x07\x02\xa2no"),
        (client_result(ClientResultOutcome::NotFound), b"\x95\x01\x03\xa2n1\x07\x03"),
        (client_result(ClientResultOutcome::Disconnected), b"\x95\x01\x03\xa2n1\x07\x04"),
        (client_result(ClientResultOutcome::TooMany), b"\x95\x01\x03\xa2n1\x07\x05"),
        (client_result(ClientResultOutcome::TimedOut), b"\x95\x01\x03\xa2n1\x07\x06"),
    ]
}

/// Each confirmation, with its bytes.
fn golden_confirmations() -> Vec<(Body, &'static [u8])> {
    let failed = |failure| Body::Confirmed { id: 1, failure: Some(failure) };
    vec![
        (Body::Confirmed { id: 1, failure: None }, b"\x95\x01\x09\xa2n1\x01\xc0"),
        (failed(RequestFailure::Error("no".into())), b"\x96\x01\x09\xa2n1\x01\x00\xa2no"),
        (failed(RequestFailure::NotAllowed), b"\x95\x01\x09\xa2n1\x01\x01"),
        (failed(RequestFailure::Banned), b"\x95\x01\x09\xa2n1\x01\x02"),
    ]
}

fn check(written: &[u8], expected: Result<Envelope, EnvelopeError>) {
    assert_eq!(Envelope::decode(&Bytes::copy_from_slice(written)), expected, "{written:02x?}");
}

#[test]
fn every_body_is_written_and_read_in_the_documented_layout() {
    for (body, written) in all_golden() {
        let envelope = from_node(body);
        assert_eq!(&envelope.encode()[..], written, "{envelope:?}");
        check(written, Ok(envelope));
    }
}

#[test]
fn an_envelope_that_ends_early_is_malformed_wherever_it_ends() {
    for (_, written) in all_golden() {
        for end in 0..written.len() {
            let decoded = Envelope::decode(&Bytes::from_static(&written[..end]));
            assert!(matches!(decoded, Err(EnvelopeError::Malformed { .. })), "{decoded:?} of {end} bytes");
        }
    }
}

#[test]
fn frames_share_the_memory_of_what_came_in() {
    let frames = Frames { json: Some(bytes(b"\x81\x02{}")), messagepack: None };
    let encoded = from_node(Body::Deliver { frames, except: vec![] }).encode();
    let Body::Deliver { frames, .. } = Envelope::decode(&encoded).unwrap().body else {
        panic!("another body")
    };
    assert!(encoded.as_ptr_range().contains(&frames.json.unwrap().as_ptr()));
}

#[test]
fn an_unknown_version_is_reported_whatever_follows() {
    check(b"\x93\x02\x00\xa2n1", Err(EnvelopeError::UnknownVersion(2)));
    check(b"\x91\x00", Err(EnvelopeError::UnknownVersion(0)));
    check(b"\x93\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xc1", Err(EnvelopeError::UnknownVersion(u64::MAX)));
    assert!(EnvelopeError::UnknownVersion(2).is_from_a_later_version());
}

#[test]
fn an_unknown_kind_or_outcome_is_reported() {
    check(b"\x93\x01\x0f\xa2n1", Err(EnvelopeError::UnknownKind(15)));
    check(b"\x93\x01\xcd\x01\x00\xa2n1", Err(EnvelopeError::UnknownKind(256)));
    check(b"\x95\x01\x03\xa2n1\x07\x07", Err(EnvelopeError::UnknownKind(7)));
    check(b"\x95\x01\x09\xa2n1\x01\x03", Err(EnvelopeError::UnknownKind(3)));
    assert!(EnvelopeError::UnknownKind(10).is_from_a_later_version());
}

#[test]
fn fields_that_a_later_version_adds_are_skipped() {
    check(b"\x97\x01\x0a\xa2n1\x2a\xc0\x81\xa1a\x93\x01\x02\x03\xc4\x01\x00", Ok(from_node(Body::Resumed)));
    check(b"\x96\x01\x0a\xa2n1\xc0\xc0\xc1", Err(EnvelopeError::Malformed { field: "end" }));
}

#[test]
fn every_body_may_have_a_number_behind_its_trace_context_or_nil() {
    for (body, written) in all_golden() {
        let envelope = Envelope { number: Some(300), ..from_node(body) };
        let mut expected = [written, b"\xc0\xcd\x01\x2c"].concat();
        expected[0] += 2;
        assert_eq!(&envelope.encode()[..], expected, "{envelope:?}");
        check(&expected, Ok(envelope.clone()));
        let envelope = Envelope { trace: Some(trace()), number: Some(u64::MAX), ..envelope };
        check(&envelope.encode(), Ok(envelope));
    }
    check(b"\x95\x01\x0a\xa2n1\xc0\xa2no", Err(EnvelopeError::Malformed { field: "number" }));
    check(b"\x95\x01\x0a\xa2n1\xc0\xff", Err(EnvelopeError::Malformed { field: "number" }));
}

#[test]
fn an_error_names_the_first_part_that_is_wrong_and_never_its_content() {
    for (written, field) in [
        (&b""[..], "array"),
        (b"secret", "array"),
        (b"\x80", "array"),
        (b"\x90", "version"),
        (b"\x93\xa6secret\x00\xa2n1", "version"),
        (b"\x93\x01\xff\xa2n1", "kind"),
        (b"\x93\x01\x0a\xa2\xff\xfe", "sender"),
        (b"\x96\x01\x00\xa2n1\xa6secret\x07\x90", "messagepack frame"),
        (b"\x96\x01\x00\xa2n1\xc6\xff\xff\xff\xff\x00", "json frame"),
        (b"\x96\x01\x00\xa2n1\xc0\xc0\x91\x07", "except"),
        (b"\x96\x01\x00\xa2n1\xc0\xc0\xdd\xff\xff\xff\xff", "except"),
        (b"\x95\x01\x00\xa2n1\xc0\xc0", "except"),
        (b"\x97\x01\x03\xa2n1\x07\x00\xcd\x01\x00\xc4\x00", "protocol"),
        (b"\x97\x01\x03\xa2n1\x07\x00\x01\xc0", "result"),
        (b"\x97\x01\x08\xa2n1\x07\xa1h\x07\xa1g", "user"),
        (b"\x95\x01\x09\xa2n1\x01\xa2no", "failure"),
        (b"\x96\x01\x09\xa2n1\x01\x00\x07", "error"),
    ] {
        check(written, Err(EnvelopeError::Malformed { field }));
        assert!(!EnvelopeError::Malformed { field }.is_from_a_later_version());
    }
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let mut written = b"\x94\x01\x0a\xa2n1".to_vec();
    written.resize(1 << 20, 0x91);
    check(&written, Err(EnvelopeError::Malformed { field: "trace" }));
    written.insert(6, 0xc0);
    written[0] += 1;
    check(&written, Err(EnvelopeError::Malformed { field: "number" }));
    written.insert(6, 0xc0);
    written[0] += 1;
    check(&written, Err(EnvelopeError::Malformed { field: "end" }));
}

#[test]
fn more_bytes_or_ids_than_any_node_sends_are_refused() {
    let large = Bytes::from(vec![0x90; MAX_ENVELOPE_BYTES + 1]);
    assert_eq!(Envelope::decode(&large), Err(EnvelopeError::TooLarge { bytes: MAX_ENVELOPE_BYTES + 1 }));

    let ids = MAX_EXCEPT_IDS + 1;
    let mut written = b"\x96\x01\x00\xa2n1\xc0\xc0\xdd".to_vec();
    written.extend((ids as u32).to_be_bytes());
    written.resize(written.len() + ids, 0xa0);
    assert_eq!(Envelope::decode(&written.into()), Err(EnvelopeError::TooManyIds));
}

#[test]
fn the_estimated_size_suffices() {
    for (body, _) in all_golden() {
        for trace in [None, Some(trace()), Some(trace().with_state(&"x".repeat(512)))] {
            let envelope = Envelope { trace, number: Some(u64::MAX), ..from_node(body.clone()) };
            let written = envelope.encode().len();
            let estimated = envelope.estimated_bytes();
            assert!(written <= estimated, "{envelope:?} took {written} bytes of {estimated}");
        }
    }
}

fn any_frame() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from))
}

fn any_frames() -> impl Strategy<Value = Frames> {
    (any_frame(), any_frame()).prop_map(|(json, messagepack)| Frames { json, messagepack })
}

fn any_outcome() -> impl Strategy<Value = ClientResultOutcome> {
    prop_oneof![
        (any::<u8>(), any_frame()).prop_map(|(protocol, bytes)| ClientResultOutcome::Result {
            protocol,
            bytes: bytes.unwrap_or_default()
        }),
        any::<String>().prop_map(ClientResultOutcome::Error),
        Just(ClientResultOutcome::Void),
        Just(ClientResultOutcome::NotFound),
        Just(ClientResultOutcome::Disconnected),
        Just(ClientResultOutcome::TooMany),
        Just(ClientResultOutcome::TimedOut),
    ]
}

fn any_body() -> impl Strategy<Value = Body> {
    let names = || (any::<u64>(), any::<String>(), any::<String>(), any::<String>());
    prop_oneof![
        (any_frames(), proptest::collection::vec(any::<String>(), 0..40)).prop_map(|(frames, except)| {
            Body::Deliver { frames, except: except.into_iter().map(Into::into).collect() }
        }),
        (names(), any_frames()).prop_map(|((id, hub, connection, invocation_id), frames)| {
            let (hub, connection) = (hub.into(), connection.into());
            Body::InvokeClient { id, hub, connection, frames, invocation_id }
        }),
        (any::<String>(), any_frames(), proptest::collection::vec(any::<String>(), 0..40)).prop_map(
            |(hub, frames, ids)| Body::DeliverTo {
                hub: hub.into(),
                connections: ids.into_iter().map(Into::into).collect(),
                frames
            }
        ),
        (any::<u64>(), any_outcome()).prop_map(|(id, outcome)| Body::ClientResult { id, outcome }),
        any::<u64>().prop_map(|id| Body::CancelInvokeClient { id }),
        names().prop_map(|(id, hub, connection, _)| Body::Abort {
            id,
            hub: hub.into(),
            connection: connection.into()
        }),
        names().prop_map(|(id, hub, connection, group)| Body::JoinGroup {
            id,
            hub: hub.into(),
            connection: connection.into(),
            group: group.into()
        }),
        names().prop_map(|(id, hub, connection, group)| Body::LeaveGroup {
            id,
            hub: hub.into(),
            connection: connection.into(),
            group: group.into()
        }),
        names().prop_map(|(id, hub, user, group)| Body::UserChanged {
            id,
            hub: hub.into(),
            user: user.into(),
            group: group.into()
        }),
        any_confirmation(),
        Just(Body::Resumed),
        names().prop_map(|(id, hub, user, group)| Body::UserBanned {
            id,
            hub: hub.into(),
            user: user.into(),
            group: group.into()
        }),
        names().prop_map(|(id, hub, user, _)| Body::DisconnectUser {
            id,
            hub: hub.into(),
            user: user.into()
        }),
        any::<u64>().prop_map(|id| Body::ConfirmLink { id }),
        any::<u64>().prop_map(|id| Body::Marker { id }),
    ]
}

fn any_confirmation() -> impl Strategy<Value = Body> {
    let failures = prop_oneof![
        any::<String>().prop_map(RequestFailure::Error),
        Just(RequestFailure::NotAllowed),
        Just(RequestFailure::Banned),
    ];
    (any::<u64>(), proptest::option::of(failures)).prop_map(|(id, failure)| Body::Confirmed { id, failure })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_as_it_was(
        sender: String,
        trace in any_trace(),
        number: Option<u64>,
        body in any_body(),
    ) {
        let envelope = Envelope { sender: sender.into(), trace, number, body };
        let encoded = envelope.encode();
        prop_assert!(encoded.len() <= envelope.estimated_bytes());
        prop_assert_eq!(Envelope::decode(&encoded), Ok(envelope));
    }

    #[test]
    fn any_bytes_are_decoded_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::decode(&bytes.into());
    }

    #[test]
    fn a_damaged_envelope_is_decoded_without_a_panic(
        trace in any_trace(),
        number: Option<u64>,
        body in any_body(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = Envelope { trace, number, ..from_node(body) }.encode().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Envelope::decode(&bytes.into());
    }
}
