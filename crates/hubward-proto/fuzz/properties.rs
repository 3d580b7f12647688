//! Properties that must hold for any input. The fuzz targets look for input for which they do not; `tests/corpus.rs`
//! replays the committed corpus.

use std::time::{Duration, Instant};

use hubward_proto::{
    CompletionResult, Event, HandshakeRequest, HandshakeResponse, Limits, Message, Protocol, RawArguments,
    RawValue, Session, SessionConfig, SessionSnapshot, StatefulConfig, decode, encode, split,
};
use serde::de::IgnoredAny;

/// Whatever is accepted as a JSON message is JSON to another reader too.
pub fn json(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((record, consumed))) = split(Protocol::Json, rest, &Limits::default()) {
        check_json(record);
        rest = &rest[consumed..];
    }
    check_json(rest);
}

fn check_json(record: &[u8]) {
    let limits = Limits::default();
    if let Ok(message) = decode(Protocol::Json, record, &limits) {
        let first = serde_json::Deserializer::from_slice(record).into_iter::<IgnoredAny>().next();
        assert!(matches!(first, Some(Ok(_))), "not JSON");
        check_message(message.as_ref());
    }
}

/// The arguments and values of any MessagePack message that is accepted can be read.
pub fn messagepack(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((record, consumed))) = split(Protocol::MessagePack, rest, &Limits::default()) {
        check_message(decode(Protocol::MessagePack, record, &Limits::default()).ok().flatten().as_ref());
        rest = &rest[consumed..];
    }
    check_message(decode(Protocol::MessagePack, data, &Limits::default()).ok().flatten().as_ref());
}

fn check_message(message: Option<&Message<'_>>) {
    match message {
        Some(Message::Invocation(call) | Message::StreamInvocation(call)) => check_arguments(&call.arguments),
        Some(Message::StreamItem(item)) => check_value(&item.item),
        Some(Message::Completion(completion)) => {
            if let CompletionResult::Value(result) = &completion.result {
                check_value(result);
            }
        }
        _ => (),
    }
}

fn check_arguments(arguments: &RawArguments<'_>) {
    let again = RawArguments::new(arguments.protocol(), arguments.bytes(), &Limits::default());
    assert_eq!(again.as_ref(), Ok(arguments));
    assert_eq!(arguments.iter().count(), arguments.len());
    arguments.iter().for_each(|value| check_value(&value));
}

fn check_value(value: &RawValue<'_>) {
    // It may have any type, but deserializing it must not panic.
    let _ = value.deserialize::<serde_json::Value>();
    let _ = value.deserialize::<(i32, &str)>();
    assert!(!value.bytes().is_empty());
}

/// A server agrees to a handshake or responds with an error.
pub fn handshake(data: &[u8]) {
    let _ = HandshakeRequest::decode(data, &Limits::default());
    let _ = HandshakeResponse::decode(data, &Limits::default());
    let now = Instant::now();
    let config = SessionConfig { detailed_errors: true, ..SessionConfig::default() };
    let mut server = Session::server(config.clone(), now);
    match server.handle_input(now, data) {
        Ok(progress) => {
            assert!(progress.consumed <= data.len());
            assert_eq!(progress.consumed > 0, matches!(progress.event, Some(Event::Handshake { .. })));
            assert_eq!(progress.consumed > 0, server.poll_output().is_some());
        }
        Err(_) => assert!(server.poll_output().is_some()),
    }
    let mut client = Session::client(config, Protocol::Json, 1, now);
    let _ = client.handle_input(now, data);
}

/// A session keeps its contract, whatever it receives and whatever happens to it. The first byte chooses the session;
/// after that, a byte chooses each step, and for input also how much of what follows arrives at once.
pub fn session(data: &[u8]) {
    let Some((kind, mut steps)) = data.split_first() else { return };
    let mut now = Instant::now();
    let protocol = Protocol::ALL[usize::from(kind & 1)];
    let stateful = StatefulConfig { buffer_bytes: 200, ..StatefulConfig::default() };
    let config = SessionConfig { stateful: Some(stateful), ..SessionConfig::default() };
    let mut session = Session::server(config, now);
    let version = if kind & 2 == 0 { 2 } else { 1 };
    let mut input = encode::handshake_request(protocol, version).message().to_vec();
    let frame = encode::cancel_invocation(protocol, "1");
    while let Some((step, rest)) = steps.split_first() {
        steps = rest;
        match step {
            0 => {
                if session.disconnected(now) {
                    input.clear();
                    session.reconnected(now);
                }
            }
            1 => now += Duration::from_millis(700),
            2 => now += Duration::from_secs(10),
            3 if session.can_send() => session.record(&frame),
            4 => session.set_reading_paused(now, true),
            5 => session.set_reading_paused(now, false),
            8 => {
                if let Ok(consumed) = session.look_ahead(now, &input) {
                    input.drain(..consumed);
                }
            }
            9 => session.note_unread(now, &input, true),
            10 => session.note_unread(now, &input, false),
            6 => session.close(None, true),
            7 => assert!(
                session.poll_timeout().is_none_or(|deadline| deadline < now + Duration::from_secs(31))
            ),
            _ => {
                let (piece, rest) = steps.split_at(usize::from(*step).min(steps.len()));
                input.extend_from_slice(piece);
                steps = rest;
            }
        }
        if !read_and_write(&mut session, now, &mut input) {
            return;
        }
    }
}

/// Whatever is accepted as a snapshot is restored, and is the same again; its session keeps its contract. The bytes after it
/// are what its client sends.
pub fn snapshot(data: &[u8]) {
    let mut rest = data;
    let Ok(snapshot) = rmp_serde::from_read::<_, SessionSnapshot>(&mut rest) else { return };
    assert!(snapshot.kept_bytes() <= data.len());
    let config = SessionConfig { stateful: Some(StatefulConfig::default()), ..SessionConfig::default() };
    let mut now = Instant::now();
    let mut session = Session::restore(config, snapshot.clone(), now).unwrap();
    assert_eq!(session.snapshot().as_ref(), Some(&snapshot));
    let written = rmp_serde::to_vec(&snapshot).unwrap();
    assert_eq!(rmp_serde::from_slice::<SessionSnapshot>(&written).ok(), Some(snapshot.clone()));
    session.reconnected(now);
    let frame = encode::cancel_invocation(snapshot.protocol(), "1");
    let mut input = rest.to_vec();
    for _ in 0..3 {
        let messages = 10 + snapshot.kept_messages();
        if !read_and_write_at_most(&mut session, now, &mut input, messages) {
            return;
        }
        if session.can_send() {
            session.record(&frame);
        }
        now += Duration::from_secs(1);
    }
}

/// Lets the session do all that it can. Returns `false` once it has ended with an error.
fn read_and_write(session: &mut Session, now: Instant, input: &mut Vec<u8>) -> bool {
    // At most the kept messages, and one of each type that the session sends by itself.
    read_and_write_at_most(session, now, input, 40)
}

fn read_and_write_at_most(session: &mut Session, now: Instant, input: &mut Vec<u8>, messages: usize) -> bool {
    let in_time = session.handle_timeout(now).is_ok();
    let readable = loop {
        match session.handle_input(now, input) {
            Ok(progress) if progress.consumed == 0 => {
                assert!(progress.event.is_none());
                break true;
            }
            Ok(progress) => {
                let consumed = progress.consumed;
                input.drain(..consumed);
            }
            Err(_) => break false,
        }
    };
    if !(in_time && readable) {
        session.close(Some("x"), false);
    }
    for _ in 0..messages {
        if session.poll_output().is_none() {
            return in_time && readable;
        }
    }
    panic!("the output is endless");
}
