//! The trace context of an envelope, byte by byte, and what hostile nodes write in its place.

use hubward_types::{SpanId, TraceId};
use proptest::prelude::*;

use super::super::*;
use super::{all_golden, check, from_node};

/// A trace context, and its bytes in the documented layout.
const TRACE: &[u8] =
    b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c\xb7\xad\x6b\x71\x69\x20\x33\x31\x01";

pub(super) fn trace() -> TraceContext {
    TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap()
}

/// An envelope with something in the place of its trace context.
fn with_in_place_of_trace(written: &[u8]) -> Vec<u8> {
    [&b"\x95\x01\x0d\xa2n1\x05"[..], written].concat()
}

fn with_trace(trace: Option<TraceContext>) -> Envelope {
    Envelope { trace, ..from_node(Body::ConfirmLink { id: 5 }) }
}

#[test]
fn every_body_may_have_a_trace_context_behind_it() {
    for (body, written) in all_golden() {
        for (trace, bytes) in
            [(trace(), TRACE.to_vec()), (trace().with_state("a=1"), [TRACE, b"a=1"].concat())]
        {
            let envelope = Envelope { trace: Some(trace), ..from_node(body.clone()) };
            let mut expected = [written, b"\xc4", &[bytes.len() as u8], &bytes[..]].concat();
            expected[0] += 1;
            assert_eq!(&envelope.encode()[..], expected, "{envelope:?}");
            check(&expected, Ok(envelope));
        }
    }
}

#[test]
fn what_is_no_trace_context_is_skipped_and_the_envelope_is_read() {
    let bin = |bytes: &[u8]| [&[0xc5][..], &(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let zeros = [0; 25];
    let mut no_parent = TRACE.to_vec();
    no_parent[16..24].fill(0);
    for poisoned in [&b""[..], &TRACE[..24], &zeros, &no_parent] {
        check(&with_in_place_of_trace(&bin(poisoned)), Ok(with_trace(None)));
    }
    for other in [
        &b"\xc0"[..],
        b"\xc3",
        b"\x07",
        b"\xff",
        b"\xcb\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\xa2no",
        b"\xa2\xff\xfe",
        b"\x92\x01\x91\x02",
        b"\x81\xa1a\x81\xa1b\x01",
        b"\xd6\xff\x00\x00\x00\x00",
    ] {
        check(&with_in_place_of_trace(other), Ok(with_trace(None)));
    }
    for unfinished in [&b""[..], b"\xc4\x19\x00", b"\xc6\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc1"] {
        let written = with_in_place_of_trace(unfinished);
        check(&written, Err(EnvelopeError::Malformed { field: "trace" }));
    }
}

#[test]
fn a_state_that_nobody_sends_is_left_out_of_a_trace_context() {
    let state = |state: &[u8]| {
        let bytes = [TRACE, state].concat();
        let written = [&[0xc5][..], &(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
        let read = Envelope::decode(&with_in_place_of_trace(&written).into()).unwrap();
        read.trace.unwrap().state().map(str::to_owned)
    };
    assert_eq!(state(&[b'x'; 512]), Some("x".repeat(512)));
    assert_eq!(state(&[b'x'; 513]), None);
    assert_eq!(state(&[b'x'; 60_000]), None);
    assert_eq!(state(b"a=\n"), None);
    assert_eq!(state(b"a=\xff"), None);
}

pub(super) fn any_trace() -> impl Strategy<Value = Option<TraceContext>> {
    let context = (1..=u128::MAX, 1..=u64::MAX, any::<u8>(), "[ -~]{0,512}").prop_map(
        |(trace, parent, flags, state)| {
            let trace_id = TraceId::from_bytes(trace.to_be_bytes()).unwrap();
            let parent_id = SpanId::from_bytes(parent.to_be_bytes()).unwrap();
            TraceContext::new(trace_id, parent_id, flags).with_state(&state)
        },
    );
    proptest::option::of(context)
}
