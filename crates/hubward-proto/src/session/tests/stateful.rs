//! Sessions that outlive their transport: nothing is lost, nothing arrives twice, and false ids are errors.

use std::time::Duration;

use proptest::prelude::*;

use super::{Pair, SECOND, SessionConfig, SessionError, Side, calls, stateful};
use crate::{Protocol, ProtocolError, StatefulConfig, encode};

/// What the session of one side still wants to write.
fn written(pair: &mut Pair, side: Side) -> Vec<String> {
    let protocol = pair.end(side).session.protocol().unwrap();
    let mut written = Vec::new();
    while let Some(frame) = pair.end(side).session.poll_output() {
        let (record, _) =
            crate::split(protocol, frame.message(), &crate::Limits::default()).unwrap().unwrap();
        written.push(crate::testing::read(protocol, record, &crate::Limits::default()));
    }
    written
}

#[test]
fn what_is_received_is_acknowledged_within_the_interval() {
    for protocol in Protocol::ALL {
        let mut pair = Pair::stateful(protocol);
        pair.send(Side::Client, 1);
        pair.send(Side::Client, 2);
        pair.pump();
        assert_eq!(pair.server.take_events(), calls([1, 2]));
        assert_eq!(pair.server.session.poll_timeout(), Some(pair.now + SECOND));
        pair.server.session.handle_timeout(pair.now + SECOND).unwrap();
        assert_eq!(written(&mut pair, Side::Server), ["Ack 2"]);
        pair.server.session.handle_timeout(pair.now + 2 * SECOND).unwrap();
        assert_eq!(written(&mut pair, Side::Server), [""; 0]);
    }
}

#[test]
fn after_a_cut_what_was_not_acknowledged_is_sent_again_after_a_sequence() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.send(Side::Server, 1);
    pair.pump();
    pair.advance(SECOND);
    pair.send(Side::Server, 2);
    pair.pump();
    pair.up = false;
    pair.send(Side::Server, 3);
    assert_eq!(pair.client.take_events(), calls([1, 2]));
    pair.cut();
    assert!(!pair.server.session.can_send(), "there is no transport");
    assert_eq!(written(&mut pair, Side::Server), [""; 0]);

    pair.server.session.reconnected(pair.now);
    assert!(!pair.server.session.can_send(), "kept messages are sent first");
    assert_eq!(written(&mut pair, Side::Server), ["Sequence 2", "Invocation - m[2]", "Invocation - m[3]"]);
    assert!(pair.server.session.can_send());
}

#[test]
fn duplicates_are_dropped_and_the_rest_is_delivered() {
    for protocol in Protocol::ALL {
        let mut pair = Pair::stateful(protocol);
        for number in 1..=3 {
            pair.send(Side::Server, number);
            pair.send(Side::Client, number);
        }
        pair.pump();
        pair.up = false;
        pair.send(Side::Server, 4);
        pair.send(Side::Client, 4);
        pair.cut();
        pair.resume();
        pair.pump();
        pair.send(Side::Server, 5);
        pair.send(Side::Client, 5);
        pair.pump();
        assert_eq!(pair.client.take_events(), calls(1..=5));
        assert_eq!(pair.server.take_events(), calls(1..=5));
    }
}

#[test]
fn what_is_recorded_without_a_transport_is_sent_with_the_rest() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.cut();
    let frame = encode::invocation(Protocol::Json, None, "m", &(1,)).unwrap();
    pair.server.session.record(&frame);
    pair.resume();
    pair.pump();
    assert_eq!(pair.client.take_events(), calls([1]));
}

#[test]
fn an_acknowledgement_that_was_lost_is_repeated() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.send(Side::Client, 1);
    pair.pump();
    pair.up = false;
    pair.advance(SECOND);
    pair.cut();
    pair.resume();
    pair.advance(2 * SECOND);
    pair.cut();
    pair.client.session.reconnected(pair.now);
    assert_eq!(written(&mut pair, Side::Client), ["Sequence 2"]);
}

#[test]
fn after_a_cut_messages_before_the_sequence_are_ignored() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.cut();
    pair.server.session.reconnected(pair.now);
    pair.server
        .input
        .extend_from_slice(b"{\"type\":6}\x1e{\"type\":5,\"invocationId\":\"1\"}\x1e{\"type\":7}\x1e");
    pair.server.read(pair.now);
    assert_eq!(pair.server.take_events(), [""; 0]);
    pair.server
        .input
        .extend_from_slice(b"{\"type\":9,\"sequenceId\":1}\x1e{\"type\":5,\"invocationId\":\"2\"}\x1e");
    pair.server.read(pair.now);
    assert_eq!(pair.server.take_events(), ["CancelInvocation 2"]);
}

#[test]
fn a_sequence_that_does_not_arrive_in_time_ends_the_session() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.cut();
    pair.server.session.reconnected(pair.now);
    let error = pair.server.session.handle_timeout(pair.now + 15 * SECOND);
    assert_eq!(error, Err(SessionError::ReconnectTimeout));
}

/// After one call each way, and perhaps a cut, these bytes from the client are this error.
#[track_caller]
fn check_error(reconnected: bool, input: &str, error: ProtocolError) {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.send(Side::Client, 1);
    pair.send(Side::Server, 1);
    pair.pump();
    if reconnected {
        pair.cut();
        pair.server.session.reconnected(pair.now);
    }
    pair.server.input.extend_from_slice(input.as_bytes());
    pair.server.read(pair.now);
    assert_eq!(pair.server.error, Some(SessionError::Protocol(error)));
}

#[test]
fn impossible_ids_are_errors() {
    check_error(false, "{\"type\":8,\"sequenceId\":2}\x1e", ProtocolError::AckBeyondSent);
    check_error(false, "{\"type\":9,\"sequenceId\":2}\x1e", ProtocolError::UnexpectedSequence);
    check_error(true, "{\"type\":9,\"sequenceId\":0}\x1e", ProtocolError::UnexpectedSequence);
    check_error(true, "{\"type\":9,\"sequenceId\":3}\x1e", ProtocolError::SequenceBeyondReceived);
    check_error(
        true,
        "{\"type\":9,\"sequenceId\":9223372036854775807}\x1e",
        ProtocolError::SequenceBeyondReceived,
    );
    let twice = "{\"type\":9,\"sequenceId\":2}\x1e{\"type\":9,\"sequenceId\":2}\x1e";
    check_error(true, twice, ProtocolError::UnexpectedSequence);
    check_error(
        true,
        "{\"type\":9,\"sequenceId\":1}\x1e{\"type\":8,\"sequenceId\":2}\x1e",
        ProtocolError::AckBeyondSent,
    );
}

#[test]
fn an_old_acknowledgement_is_not_an_error() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.send(Side::Server, 1);
    pair.send(Side::Server, 2);
    let acks =
        "{\"type\":8,\"sequenceId\":2}\x1e{\"type\":8,\"sequenceId\":1}\x1e{\"type\":8,\"sequenceId\":0}\x1e";
    pair.server.input.extend_from_slice(acks.as_bytes());
    pair.server.read(pair.now);
    assert_eq!(pair.server.error, None);
    pair.cut();
    pair.server.session.reconnected(pair.now);
    assert_eq!(written(&mut pair, Side::Server), ["Sequence 3"]);
}

fn small_buffer() -> SessionConfig {
    let stateful = StatefulConfig { buffer_bytes: 100, ..StatefulConfig::default() };
    SessionConfig { stateful: Some(stateful), ..SessionConfig::default() }
}

#[test]
fn a_full_buffer_stops_sending_until_it_is_acknowledged() {
    let mut pair = Pair::new(small_buffer(), Protocol::Json, 2);
    // 44 bytes each.
    let sent = (1..10).take_while(|number| pair.send(Side::Server, *number)).count();
    assert_eq!(sent, 3);
    pair.pump();
    assert!(!pair.server.session.can_send());
    pair.advance(SECOND);
    assert!(pair.server.session.can_send());
    assert_eq!(pair.server.error, None);
}

#[test]
fn a_full_buffer_ends_the_session_after_the_ack_timeout() {
    let mut pair = Pair::new(small_buffer(), Protocol::Json, 2);
    pair.up = false;
    pair.advance(3 * SECOND);
    while pair.send(Side::Server, 1) {}
    let full = pair.now;
    assert!(
        pair.server.session.poll_timeout().unwrap() <= full,
        "the deadline has passed, so that the session learns the time at once"
    );
    assert_eq!(pair.server.session.handle_timeout(full), Ok(()));
    assert_eq!(pair.server.session.poll_timeout(), Some(full + 5 * SECOND));
    let error = pair.server.session.handle_timeout(full + 5 * SECOND);
    assert_eq!(error, Err(SessionError::AckTimeout));
}

#[test]
fn without_a_transport_a_full_buffer_does_not_expire() {
    let mut pair = Pair::new(small_buffer(), Protocol::Json, 2);
    pair.up = false;
    while pair.send(Side::Server, 1) {}
    pair.server.session.handle_timeout(pair.now).unwrap();
    pair.cut();
    pair.advance(10 * SECOND);
    pair.resume();
    pair.pump();
    pair.advance(2 * SECOND);
    assert_eq!(pair.server.error, None);
    assert!(pair.server.session.can_send());
    assert_eq!(pair.client.take_events(), calls([1, 1, 1]));
}

#[test]
fn a_buffer_that_fills_without_a_transport_does_not_shorten_the_wait_for_one() {
    let mut pair = Pair::new(small_buffer(), Protocol::Json, 2);
    pair.cut();
    let frame = encode::invocation(Protocol::Json, None, "m", &("x".repeat(100),)).unwrap();
    pair.server.session.record(&frame);
    assert_eq!(pair.server.session.poll_timeout(), Some(pair.now + 15 * SECOND));
    pair.advance(10 * SECOND);
    pair.server.session.reconnected(pair.now);
    assert_eq!(pair.server.session.poll_timeout(), Some(pair.now + 5 * SECOND), "an Ack is due");
}

#[test]
fn without_an_ack_timeout_a_full_buffer_waits_as_long_as_it_must() {
    let stateful = StatefulConfig { ack_timeout: Duration::MAX, ..small_buffer().stateful.unwrap() };
    let config = SessionConfig { keep_alive_interval: None, stateful: Some(stateful), ..small_buffer() };
    let mut pair = Pair::new(config, Protocol::Json, 2);
    while pair.send(Side::Server, 1) {}
    pair.server.session.handle_timeout(pair.now).unwrap();
    assert_eq!(pair.server.session.poll_timeout(), None);
    assert!(!pair.server.session.can_send());
}

#[test]
fn the_wait_for_a_transport_is_bounded() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.advance(SECOND);
    pair.cut();
    assert_eq!(pair.server.session.poll_timeout(), Some(pair.now + 15 * SECOND));
    pair.advance(15 * SECOND);
    assert_eq!(pair.server.error, Some(SessionError::ReconnectTimeout));
    pair.server.session.reconnected(pair.now);
    assert!(!pair.server.session.can_send() && pair.server.session.poll_output().is_none());
}

#[test]
fn pings_and_timeouts_stop_without_a_transport_and_start_again_with_one() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.advance(29 * SECOND);
    pair.cut();
    pair.advance(10 * SECOND);
    pair.resume();
    pair.pump();
    pair.advance(100 * SECOND);
    assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
    pair.up = false;
    pair.advance(31 * SECOND);
    assert_eq!(pair.server.error, Some(SessionError::ClientTimeout));
}

#[test]
fn a_newer_transport_takes_over_from_one_that_seems_alive() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.send(Side::Client, 1);
    pair.pump();
    // Only the client has noticed the cut; the server learns of it from the newer transport.
    pair.up = false;
    pair.send(Side::Server, 1);
    pair.cut();
    assert!(pair.server.session.disconnected(pair.now), "a second notice changes nothing");
    pair.resume();
    pair.pump();
    assert_eq!(pair.client.take_events(), calls([1]));
}

#[test]
fn a_close_on_a_new_transport_follows_what_is_sent_again() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.up = false;
    pair.send(Side::Server, 1);
    pair.cut();
    pair.resume();
    pair.server.session.close(None, true);
    pair.pump();
    assert_eq!(pair.client.take_events(), ["Invocation - m[1]", "Close None true"]);
}

/// What happens to a pair of sessions.
#[derive(Clone, Debug)]
enum Step {
    Send(Side),
    Pump,
    /// This many bytes of those on their way still arrive, then the transport is lost.
    Cut(usize, usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![Just(Step::Send(Side::Client)), Just(Step::Send(Side::Server))],
        2 => Just(Step::Pump),
        1 => (0..200usize, 0..200usize).prop_map(|(client, server)| Step::Cut(client, server)),
        1 => (1..4000u64).prop_map(Step::Advance),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_nothing_is_lost_repeated_or_reordered(
        steps in prop::collection::vec(step(), 0..80),
        message_pack: bool,
        small: bool,
    ) {
        let protocol = if message_pack { Protocol::MessagePack } else { Protocol::Json };
        let mut pair = Pair::new(if small { small_buffer() } else { stateful() }, protocol, 2);
        let mut sent = [0, 0];
        for step in steps {
            match step {
                Step::Send(side) => {
                    let number = sent[side as usize];
                    sent[side as usize] += usize::from(pair.send(side, number));
                }
                Step::Pump => pair.pump(),
                Step::Cut(client, server) => {
                    for (side, arrive) in [(Side::Client, client), (Side::Server, server)] {
                        let now = pair.now;
                        let end = pair.end(side);
                        end.input.truncate(arrive);
                        end.read(now);
                    }
                    pair.cut();
                    pair.resume();
                }
                Step::Advance(milliseconds) => pair.advance(Duration::from_millis(milliseconds)),
            }
        }
        pair.pump();
        pair.advance(3 * SECOND);
        prop_assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
        prop_assert_eq!(pair.server.take_events(), calls(0..sent[Side::Client as usize]));
        prop_assert_eq!(pair.client.take_events(), calls(0..sent[Side::Server as usize]));
        // All that was received has been acknowledged: nothing would be sent again.
        pair.cut();
        pair.server.session.reconnected(pair.now);
        let sequence = format!("Sequence {}", sent[Side::Server as usize] + 1);
        prop_assert_eq!(written(&mut pair, Side::Server), [sequence]);
    }
}
