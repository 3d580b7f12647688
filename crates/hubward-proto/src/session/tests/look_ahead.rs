//! Acknowledgements that arrive while the owner reads nothing, and the time that a full buffer has.

use std::time::Duration;

use super::{Pair, SECOND, SessionConfig, SessionError, Side, calls};
use crate::{Protocol, StatefulConfig, encode};

fn small_buffer() -> SessionConfig {
    let stateful = StatefulConfig { buffer_bytes: 1000, ..StatefulConfig::default() };
    SessionConfig { stateful: Some(stateful), client_timeout: None, ..SessionConfig::default() }
}

/// Sends until the server's buffer is full; returns the number of the last message.
fn fill(pair: &mut Pair) -> u64 {
    (1..).take_while(|number| pair.send(Side::Server, *number)).count() as u64
}

fn call(protocol: Protocol, number: usize) -> Vec<u8> {
    encode::invocation(protocol, None, "m", &(number,)).unwrap().message().to_vec()
}

fn ack(protocol: Protocol, id: u64) -> Vec<u8> {
    encode::ack(protocol, id).message().to_vec()
}

/// Passes input to the server without reading it.
fn look_ahead(pair: &mut Pair) -> usize {
    let consumed = pair.server.session.look_ahead(pair.now, &pair.server.input).unwrap();
    pair.server.input.drain(..consumed);
    consumed
}

#[test]
fn an_acknowledgement_behind_calls_that_are_not_read_makes_room_and_the_calls_stay() {
    for protocol in Protocol::ALL {
        let mut pair = Pair::new(small_buffer(), protocol, 2);
        let last = fill(&mut pair);
        for number in 1..=3 {
            pair.server.input.extend(call(protocol, number));
        }
        assert_eq!(look_ahead(&mut pair), 0);
        assert_eq!(pair.server.session.send_room(), 0);
        for byte in ack(protocol, last) {
            assert_eq!(pair.server.session.send_room(), 0);
            pair.server.input.push(byte);
            assert_eq!(look_ahead(&mut pair), 0);
        }
        assert_eq!(pair.server.session.send_room(), 1000);
        pair.server.input.extend(call(protocol, 4));
        pair.server.read(pair.now);
        assert_eq!((pair.server.take_events(), pair.server.error.take()), (calls(1..=4), None));
        // And again, with what is half read.
        let last = last + fill(&mut pair);
        pair.server.input.extend([call(protocol, 5), call(protocol, 6), ack(protocol, last)].concat());
        look_ahead(&mut pair);
        assert_eq!(pair.server.session.send_room(), 1000);
        let consumed = pair.server.session.handle_input(pair.now, &pair.server.input).unwrap().consumed;
        pair.server.input.drain(..consumed);
        let last = last + fill(&mut pair);
        pair.server.input.extend([call(protocol, 7), ack(protocol, last)].concat());
        look_ahead(&mut pair);
        assert_eq!(pair.server.session.send_room(), 1000);
        pair.server.read(pair.now);
        assert_eq!((pair.server.take_events(), pair.server.error.take()), (calls(6..=7), None));
    }
}

#[test]
fn a_sequence_on_a_new_transport_is_handled_though_nothing_is_read() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.cut();
    pair.server.session.reconnected(pair.now);
    let input = [encode::sequence(Protocol::Json, 1).message(), &call(Protocol::Json, 1)].concat();
    pair.server.input.extend(&input);
    assert_eq!(look_ahead(&mut pair), input.len() - call(Protocol::Json, 1).len());
    assert_eq!(pair.server.session.handle_timeout(pair.now + 15 * SECOND - Duration::from_millis(1)), Ok(()));
    pair.server.read(pair.now);
    assert_eq!(pair.server.take_events(), calls([1]));
}

#[test]
fn what_is_wrong_behind_a_call_is_reported_after_the_call() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.server.input.extend(call(Protocol::Json, 1));
    pair.server.input.extend(ack(Protocol::Json, 100));
    assert_eq!(look_ahead(&mut pair), 0);
    pair.server.read(pair.now);
    assert_eq!(pair.server.take_events(), calls([1]));
    assert!(pair.server.error.is_some());
}

#[test]
fn a_session_without_reconnect_does_not_look_ahead() {
    let mut pair = Pair::new(SessionConfig::default(), Protocol::Json, 1);
    pair.server.input.extend(call(Protocol::Json, 1));
    assert_eq!(look_ahead(&mut pair), 0);
    pair.server.read(pair.now);
    assert_eq!(pair.server.take_events(), calls([1]));
}

/// Acknowledges this many messages of a full buffer each second, fills it again, and returns how it ends within a minute.
fn acknowledge(each_second: u64, minimum: u32) -> Result<(), SessionError> {
    let stateful =
        StatefulConfig { minimum_drain_bytes_per_second: minimum, ..small_buffer().stateful.unwrap() };
    let mut pair = Pair::new(SessionConfig { stateful: Some(stateful), ..small_buffer() }, Protocol::Json, 2);
    pair.up = false;
    fill(&mut pair);
    for second in 1..=60 {
        pair.advance(SECOND);
        pair.server.input = ack(Protocol::Json, second * each_second);
        pair.server.read(pair.now);
        fill(&mut pair);
        if let Some(error) = pair.server.error.take() {
            return Err(error);
        }
    }
    Ok(())
}

#[test]
fn each_acknowledgement_that_frees_something_starts_the_wait_anew() {
    // 44 bytes a second of a buffer of 1,000.
    assert_eq!(acknowledge(1, 0), Ok(()));
    assert_eq!(acknowledge(0, 0), Err(SessionError::AckTimeout));
}

#[test]
fn a_trickle_of_acknowledgements_does_not_hold_a_full_buffer() {
    assert_eq!(acknowledge(1, 100), Err(SessionError::AckTimeout));
    assert_eq!(acknowledge(3, 100), Ok(()));
    assert_eq!(acknowledge(1, 30), Ok(()));
}

#[test]
fn a_message_larger_than_the_buffer_has_proportionally_longer() {
    let mut pair = Pair::new(small_buffer(), Protocol::Json, 2);
    pair.up = false;
    let large = encode::invocation(Protocol::Json, None, "m", &("x".repeat(10_000),)).unwrap();
    pair.server.session.record(&large);
    pair.advance(49 * SECOND);
    assert_eq!(pair.server.error, None);
    pair.advance(2 * SECOND);
    assert_eq!(pair.server.error, Some(SessionError::AckTimeout));
}
