//! What the codecs cost: an invocation and a completion with a string of 64 bytes, in both protocols, alone and through
//! a session. Transports are not measured here.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark may fail")]
#![allow(clippy::disallowed_methods, reason = "a session takes any moment as its time, and waits for none")]

use divan::{Bencher, black_box};
use hubward_proto::{Frame, Limits, Protocol, Session, SessionConfig, decode, encode, split};

const STRING: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn main() {
    divan::main();
}

fn invocation(protocol: Protocol) -> Frame {
    encode::invocation(protocol, Some("1"), "Echo", &(STRING,)).expect("a string can be encoded")
}

fn completion(protocol: Protocol) -> Frame {
    encode::completion(protocol, "1", STRING).expect("a string can be encoded")
}

#[divan::bench(args = Protocol::ALL)]
fn encode_invocation(protocol: Protocol) -> Frame {
    encode::invocation(black_box(protocol), Some("1"), "Echo", &(black_box(STRING),))
        .expect("a string can be encoded")
}

#[divan::bench(args = Protocol::ALL)]
fn encode_completion(protocol: Protocol) -> Frame {
    encode::completion(black_box(protocol), "1", black_box(STRING)).expect("a string can be encoded")
}

#[divan::bench(args = Protocol::ALL)]
fn decode_invocation(bencher: Bencher, protocol: Protocol) {
    decode_one(bencher, protocol, &invocation(protocol));
}

#[divan::bench(args = Protocol::ALL)]
fn decode_completion(bencher: Bencher, protocol: Protocol) {
    decode_one(bencher, protocol, &completion(protocol));
}

/// Reads the message and its argument.
#[divan::bench(args = Protocol::ALL)]
fn decode_invocation_and_argument(bencher: Bencher, protocol: Protocol) {
    let frame = invocation(protocol);
    let limits = Limits::default();
    bencher.bench_local(|| {
        let record =
            split(protocol, black_box(frame.message()), &limits).ok().flatten().map(|(record, _)| record);
        let message = decode(protocol, record.expect("complete"), &limits).ok().flatten().expect("known");
        let hubward_proto::Message::Invocation(call) = message else { panic!("an invocation") };
        call.arguments.iter().next().expect("one").deserialize::<&str>().expect("a string").len()
    });
}

/// Reads the message in a session after its handshake.
#[divan::bench(args = Protocol::ALL)]
fn session_invocation(bencher: Bencher, protocol: Protocol) {
    let frame = invocation(protocol);
    let now = std::time::Instant::now();
    let mut session = Session::server(SessionConfig::default(), now);
    session.handle_input(now, encode::handshake_request(protocol, 1).message()).expect("a valid handshake");
    bencher.bench_local(|| {
        let progress = session.handle_input(now, black_box(frame.message())).expect("well formed");
        black_box(progress.event).is_some()
    });
}

/// Gets the next deadline of a session, as its owner does each time that it has nothing else to do.
#[divan::bench(args = Protocol::ALL)]
fn session_timeout(bencher: Bencher, protocol: Protocol) {
    let now = std::time::Instant::now();
    let mut session = Session::server(SessionConfig::default(), now);
    session.handle_input(now, encode::handshake_request(protocol, 1).message()).expect("a valid handshake");
    bencher.bench_local(|| black_box(&session).poll_timeout());
}

fn decode_one(bencher: Bencher, protocol: Protocol, frame: &Frame) {
    let limits = Limits::default();
    bencher.bench_local(|| {
        let found = split(protocol, black_box(frame.message()), &limits).ok().flatten();
        let (record, _) = found.expect("complete");
        black_box(decode(protocol, record, &limits)).is_ok()
    });
}
