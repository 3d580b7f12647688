//! A session that was restored from a snapshot does on every further step what the session does that it was taken of.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a session takes any moment as its time, and waits for none")]

use std::time::{Duration, Instant};

use hubward_proto::{Protocol, Protocols, Session, SessionConfig, SessionSnapshot, StatefulConfig, encode};
use proptest::prelude::*;

/// What happens to a session.
#[derive(Clone, Debug)]
enum Step {
    /// The server sends a message of this length.
    Send(usize),
    /// The client sends something, of which only a part may arrive now.
    Receive(Input, usize),
    /// The transport is lost, and another one is there at once or later.
    Cut,
    Resume,
    Pass(u64),
    Pause(bool),
    LookAhead,
    Close,
}

#[derive(Clone, Debug)]
enum Input {
    Call,
    Cancel,
    Ping,
    Ack(u64),
    Sequence(u64),
    Close,
    Garbage,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => Just(Input::Call),
        2 => Just(Input::Cancel),
        2 => Just(Input::Ping),
        4 => (0..12_u64).prop_map(Input::Ack),
        3 => (0..6_u64).prop_map(Input::Sequence),
        1 => Just(Input::Close),
        1 => Just(Input::Garbage),
    ]
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..80_usize).prop_map(Step::Send),
        8 => (input(), 0..3_usize).prop_map(|(input, missing)| Step::Receive(input, missing)),
        2 => Just(Step::Cut),
        4 => Just(Step::Resume),
        4 => (1..7_000_u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::LookAhead),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 0..most)
}

fn config() -> SessionConfig {
    let stateful = StatefulConfig { buffer_bytes: 200, ..StatefulConfig::default() };
    SessionConfig { stateful: Some(stateful), ..SessionConfig::default() }
}

/// A session with what has arrived and is not read yet.
struct End {
    session: Session,
    input: Vec<u8>,
}

impl End {
    fn connected(protocol: Protocol, now: Instant) -> Self {
        let mut session = Session::server(config(), now);
        session.handle_input(now, encode::handshake_request(protocol, 2).message()).unwrap();
        session.poll_output().unwrap();
        Self { session, input: Vec::new() }
    }

    /// Does a step, and returns all that can be seen of it.
    fn step(&mut self, step: &Step, now: Instant) -> Vec<String> {
        let Self { session, input } = self;
        let protocol = session.protocol().unwrap();
        let mut seen = Vec::new();
        match step {
            Step::Send(bytes) => {
                let text = "x".repeat(*bytes);
                let frame = encode::invocation(protocol, None, "m", &(text,)).unwrap();
                if session.can_send() {
                    session.record(&frame);
                }
            }
            Step::Receive(what, missing) => {
                let bytes = what.bytes(protocol);
                input.extend_from_slice(&bytes[..bytes.len().saturating_sub(*missing)]);
                loop {
                    seen.push(format!("call next: {}", session.is_call_next(input)));
                    let (consumed, progress) = match session.handle_input(now, input) {
                        Ok(progress) => (progress.consumed, format!("{progress:?}")),
                        Err(error) => (0, format!("{error:?}")),
                    };
                    seen.push(progress);
                    input.drain(..consumed);
                    if consumed == 0 {
                        break;
                    }
                }
            }
            Step::Cut => {
                seen.push(format!("waits: {}", session.disconnected(now)));
                input.clear();
            }
            Step::Resume => {
                session.reconnected(now);
                input.clear();
            }
            Step::Pass(_) => seen.push(format!("{:?}", session.handle_timeout(now))),
            Step::Pause(paused) => session.set_reading_paused(now, *paused),
            Step::LookAhead => match session.look_ahead(now, input) {
                Ok(consumed) => drop(input.drain(..consumed)),
                Err(error) => seen.push(format!("{error:?}")),
            },
            Step::Close => session.close(Some("x"), true),
        }
        while let Some(frame) = session.poll_output() {
            seen.push(format!("{:?}", frame.websocket()));
        }
        let state = (session.send_room(), session.poll_timeout(), session.is_stateful(), session.snapshot());
        seen.push(format!("{state:?}"));
        seen
    }
}

impl Input {
    fn bytes(&self, protocol: Protocol) -> Vec<u8> {
        let frame = match self {
            Self::Call => encode::invocation(protocol, Some("1"), "m", &(7,)).unwrap(),
            Self::Cancel => encode::cancel_invocation(protocol, "1"),
            Self::Ping => encode::ping(protocol),
            Self::Ack(id) => encode::ack(protocol, *id),
            Self::Sequence(id) => encode::sequence(protocol, *id),
            Self::Close => encode::close(protocol, None, false),
            Self::Garbage => return vec![3, 0xFF, 0x1E, 0xFF],
        };
        frame.message().to_vec()
    }
}

fn time_after(now: Instant, step: &Step) -> Instant {
    let passed = if let Step::Pass(milliseconds) = step { *milliseconds } else { 0 };
    now + Duration::from_millis(passed)
}

fn serialized(snapshot: &SessionSnapshot) -> SessionSnapshot {
    rmp_serde::from_slice(&rmp_serde::to_vec(snapshot).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn a_restored_session_behaves_as_the_one_that_it_was_taken_of(
        before in steps(30),
        after in steps(30),
        protocol in prop::sample::select(&Protocol::ALL[..]),
    ) {
        let mut now = Instant::now();
        let mut original = End::connected(protocol, now);
        for step in &before {
            now = time_after(now, step);
            original.step(step, now);
        }
        // Whether reading pauses is the owner's, and a new one begins without.
        original.session.set_reading_paused(now, false);
        let Some(snapshot) = original.session.snapshot() else { return Ok(()) };
        prop_assert!(original.session.disconnected(now), "what has a snapshot can wait for a transport");
        original.input.clear();
        let session = Session::restore(config(), serialized(&snapshot), now).unwrap();
        let mut restored = End { session, input: Vec::new() };
        // The original may have lost its transport before, and waits for the rest of its time.
        for end in [&mut original, &mut restored] {
            end.step(&Step::Resume, now);
        }
        for step in &after {
            now = time_after(now, step);
            prop_assert_eq!(original.step(step, now), restored.step(step, now), "{:?}", step);
        }
    }

    #[test]
    fn no_bytes_make_reading_a_snapshot_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = rmp_serde::from_slice::<SessionSnapshot>(&bytes);
    }
}

#[test]
fn a_restored_session_waits_for_its_client_no_longer_than_the_reconnect_timeout() {
    let now = Instant::now();
    let snapshot = End::connected(Protocol::Json, now).session.snapshot().unwrap();
    let mut session = Session::restore(config(), snapshot, now).unwrap();
    assert!(session.is_stateful() && !session.can_send());
    assert_eq!(session.poll_timeout(), Some(now + Duration::from_secs(15)));
    assert!(session.handle_timeout(now + Duration::from_secs(15)).is_err());
}

#[test]
fn only_a_stateful_session_after_its_handshake_has_a_snapshot() {
    let now = Instant::now();
    assert_eq!(Session::server(config(), now).snapshot(), None);
    assert_eq!(Session::client(config(), Protocol::Json, 2, now).snapshot(), None);
    let mut session = Session::server(SessionConfig::default(), now);
    session.handle_input(now, encode::handshake_request(Protocol::Json, 2).message()).unwrap();
    assert_eq!(session.snapshot(), None, "stateful reconnect was not negotiated");
    let mut ended = End::connected(Protocol::Json, now).session;
    ended.close(None, true);
    assert_eq!(ended.snapshot(), None);
}

#[test]
fn a_hub_that_cannot_serve_a_session_does_not_restore_it() {
    let now = Instant::now();
    let restored = |config: SessionConfig| {
        let snapshot = End::connected(Protocol::MessagePack, now).session.snapshot().unwrap();
        Session::restore(config, snapshot, now).is_some()
    };
    assert!(restored(config()));
    assert!(!restored(SessionConfig { stateful: None, ..config() }));
    assert!(!restored(SessionConfig { protocols: Protocols::only(Protocol::Json), ..config() }));
}

#[test]
fn what_no_session_has_is_not_read() {
    let text = encode::cancel_invocation(Protocol::Json, "1");
    let read = |protocol: u8, acknowledged: u64, received: u64, kept: &[&[u8]]| {
        let kept: Vec<_> = kept.iter().map(|bytes| serde_bytes::Bytes::new(bytes)).collect();
        let bytes = rmp_serde::to_vec(&(protocol, true, acknowledged, received, kept)).unwrap();
        rmp_serde::from_slice::<SessionSnapshot>(&bytes).is_ok()
    };
    assert!(read(0, 1, 2, &[text.websocket()]));
    assert!(!read(1, 1, 2, &[text.websocket()]), "it is not MessagePack");
    assert!(!read(2, 1, 2, &[]), "there is no such protocol");
    assert!(!read(0, u64::MAX, 2, &[]));
    assert!(!read(0, 1, u64::MAX, &[]));
    assert!(!read(0, 1, 2, &[text.message()]), "it has no header");
    // An array that claims to have four billion frames.
    assert!(
        rmp_serde::from_slice::<SessionSnapshot>(&[0x95, 0, 0xC3, 0, 0, 0xDD, 255, 255, 255, 255]).is_err()
    );
}
