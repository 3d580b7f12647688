//! Pings, and the timeout of a peer that is silent.

use std::time::{Duration, Instant};

use super::{End, Pair, SECOND, Side};
use crate::{Limits, Protocol, Session, SessionConfig, SessionError, encode, testing};

/// A server after its handshake, and the time.
fn server(config: SessionConfig) -> (End, Instant) {
    let now = testing::now();
    let mut server = End::new(Session::server(config, now));
    receive(&mut server, now, encode::handshake_request(Protocol::Json, 1).message());
    server.session.poll_output().unwrap();
    (server, now)
}

fn receive(end: &mut End, now: Instant, message: &[u8]) {
    end.input.extend_from_slice(message);
    end.read(now);
}

/// Counts the pings that are sent from second to second.
fn pings(session: &mut Session, from: Instant, seconds: u32) -> Vec<u32> {
    let mut sent = Vec::new();
    for second in 1..=seconds {
        session.handle_timeout(from + second * SECOND).unwrap();
        while let Some(frame) = session.poll_output() {
            assert_eq!(frame, encode::ping(Protocol::Json));
            sent.push(second);
        }
    }
    sent
}

#[test]
fn a_server_pings_once_in_each_interval_whatever_else_it_sends() {
    let (mut server, now) = server(SessionConfig::default());
    assert_eq!(server.session.poll_timeout(), Some(now + 15 * SECOND));
    assert_eq!(pings(&mut server.session, now, 61), [15, 30, 45, 60]);
}

#[test]
fn a_ping_that_has_not_been_polled_is_not_repeated() {
    let (mut server, now) = server(SessionConfig::default());
    server.session.handle_timeout(now + 15 * SECOND).unwrap();
    server.session.handle_timeout(now + 30 * SECOND).unwrap();
    assert!(server.session.poll_output().is_some());
    assert_eq!(server.session.poll_output(), None);
}

#[test]
fn where_the_transport_keeps_itself_alive_there_are_no_pings() {
    let config = SessionConfig { keep_alive_interval: None, ..SessionConfig::default() };
    let (mut server, now) = server(config);
    assert_eq!(server.session.poll_timeout(), None);
    assert_eq!(pings(&mut server.session, now, 100), [0; 0]);
}

#[test]
fn a_client_that_never_pinged_may_be_silent() {
    let (mut server, now) = server(SessionConfig::default());
    receive(&mut server, now, encode::cancel_invocation(Protocol::Json, "1").message());
    pings(&mut server.session, now, 300);
}

#[test]
fn a_client_that_pinged_and_then_is_silent_times_out() {
    let (mut server, now) = server(SessionConfig { keep_alive_interval: None, ..SessionConfig::default() });
    receive(&mut server, now, encode::ping(Protocol::Json).message());
    let first = now + 30 * SECOND;
    assert_eq!(server.session.poll_timeout(), Some(first));
    // Any message counts, but the deadline is only moved once it has come.
    receive(&mut server, now + 20 * SECOND, encode::cancel_invocation(Protocol::Json, "1").message());
    assert_eq!(server.session.poll_timeout(), Some(first));
    assert_eq!(server.session.handle_timeout(first), Ok(()));
    assert_eq!(server.session.poll_timeout(), Some(now + 50 * SECOND));
    let error = server.session.handle_timeout(now + 50 * SECOND).unwrap_err();
    assert_eq!(error, SessionError::ClientTimeout);
    assert_eq!(error.exception(), "OperationCanceledException");
    assert_eq!(
        error.to_string(),
        "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
    );
    assert_eq!(server.session.poll_timeout(), None);
    server.session.close(Some("silent"), true);
    assert_eq!(server.session.poll_output(), Some(encode::close(Protocol::Json, Some("silent"), true)));
}

#[test]
fn silence_does_not_count_while_the_hub_is_busy() {
    let (mut server, now) = server(SessionConfig { keep_alive_interval: None, ..SessionConfig::default() });
    receive(&mut server, now, encode::ping(Protocol::Json).message());
    server.session.set_reading_paused(now + SECOND, true);
    for second in 2..200 {
        assert_eq!(server.session.handle_timeout(now + second * SECOND), Ok(()));
    }
    let done = now + 200 * SECOND;
    server.session.set_reading_paused(done, false);
    assert_eq!(server.session.handle_timeout(done + 29 * SECOND), Ok(()));
    assert_eq!(server.session.handle_timeout(done + 30 * SECOND), Err(SessionError::ClientTimeout));
}

#[test]
fn a_message_that_takes_longer_than_the_timeout_has_to_come_at_the_least_rate_and_to_go_on() {
    // So many bytes in each of so many seconds, and how long that lives.
    for (bytes, seconds, lives) in
        [(1, 300, 31), (800, 300, 138), (1024, 20, 50), (1100, 300, 300), (100_000, 1, 60)]
    {
        let config = SessionConfig { keep_alive_interval: None, ..SessionConfig::default() };
        let config = SessionConfig { limits: Limits { message_bytes: None, ..config.limits }, ..config };
        let (mut server, now) = server(config);
        receive(&mut server, now, encode::ping(Protocol::Json).message());
        let lived = (1..300).find(|second| {
            if *second <= seconds {
                receive(&mut server, now + *second * SECOND, &vec![b' '; bytes]);
            }
            server.session.handle_timeout(now + *second * SECOND).is_err()
        });
        assert_eq!(lived.unwrap_or(300), lives, "{bytes} bytes in each of {seconds} seconds");
    }
}

#[test]
fn each_message_has_its_own_time_however_slow_the_one_before_was() {
    let (mut server, now) = server(SessionConfig { keep_alive_interval: None, ..SessionConfig::default() });
    let ping = encode::ping(Protocol::Json);
    receive(&mut server, now, ping.message());
    let part = vec![b' '; 5000];
    for start in [1, 101, 201].map(|second| now + second * SECOND) {
        receive(&mut server, start, &part);
        server.session.handle_timeout(start + 29 * SECOND).unwrap();
        receive(&mut server, start + 30 * SECOND, &part);
        server.session.handle_timeout(start + 30 * SECOND).unwrap();
        receive(&mut server, start + 31 * SECOND, ping.message());
        for second in 60..100 {
            receive(&mut server, start + second * SECOND, ping.message());
            server.session.handle_timeout(start + second * SECOND).unwrap();
        }
    }
}

#[test]
fn what_is_not_read_yet_is_a_sign_of_life_where_it_is_a_message() {
    let ping = encode::ping(Protocol::Json).message().to_vec();
    let cases =
        [(&ping[..], true, true), (&ping[..5], true, false), (&ping[..5], false, true), (b"", true, false)];
    for (unread, receives_more, alive) in cases {
        let (mut server, now) =
            server(SessionConfig { keep_alive_interval: None, ..SessionConfig::default() });
        receive(&mut server, now, &ping);
        let lives = (1..=40).all(|second| {
            server.session.note_unread(now + second * SECOND, unread, receives_more);
            server.session.handle_timeout(now + second * SECOND).is_ok()
        });
        assert_eq!(lives, alive, "{unread:?} {receives_more}");
    }
}

#[test]
fn a_client_pings_at_once_and_times_out_when_the_server_is_silent() {
    let mut pair = Pair::new(SessionConfig::default(), Protocol::Json, 1);
    pair.advance(300 * SECOND);
    assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
    pair.up = false;
    pair.advance(31 * SECOND);
    assert_eq!(pair.client.error, Some(SessionError::ClientTimeout));
    assert_eq!(pair.server.error, Some(SessionError::ClientTimeout));
}

#[test]
fn an_endless_interval_never_expires() {
    let config = SessionConfig {
        keep_alive_interval: Some(Duration::MAX),
        client_timeout: Some(Duration::MAX),
        handshake_timeout: Duration::MAX,
        ..SessionConfig::default()
    };
    let mut pair = Pair::new(config, Protocol::Json, 1);
    assert_eq!(pair.server.session.poll_timeout(), None);
    assert!(pair.send(Side::Server, 1));
}
