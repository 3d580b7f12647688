//! Two sessions connected to each other, in virtual time, over a transport that can be cut anywhere.

mod handshake;
mod keep_alive;
mod look_ahead;
mod stateful;

use std::time::{Duration, Instant};

use super::stateful::Stateful;
use crate::{Event, Session, SessionConfig, SessionError, StatefulConfig};
use crate::{Frame, Protocol, encode, testing};

const SECOND: Duration = Duration::from_secs(1);

/// One end: its session, what has arrived and is not handled yet, and what came of the rest.
struct End {
    session: Session,
    input: Vec<u8>,
    events: Vec<String>,
    error: Option<SessionError>,
}

/// Two ends and the transport between them.
struct Pair {
    client: End,
    server: End,
    now: Instant,
    /// Whether what one end writes arrives at the other.
    up: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Side {
    Client,
    Server,
}

fn stateful() -> SessionConfig {
    SessionConfig { stateful: Some(StatefulConfig::default()), ..SessionConfig::default() }
}

impl End {
    fn new(session: Session) -> Self {
        Self { session, input: Vec::new(), events: Vec::new(), error: None }
    }

    /// Reads all that has arrived.
    fn read(&mut self, now: Instant) {
        while self.error.is_none() {
            match self.session.handle_input(now, &self.input) {
                Ok(progress) => {
                    self.events.extend(progress.event.as_ref().map(describe));
                    if progress.consumed == 0 {
                        return;
                    }
                    self.input.drain(..progress.consumed);
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    fn take_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }
}

impl Pair {
    /// Two ends that have done their handshake.
    fn new(config: SessionConfig, protocol: Protocol, version: u32) -> Self {
        let now = testing::now();
        let mut pair = Self {
            client: End::new(Session::client(config.clone(), protocol, version, now)),
            server: End::new(Session::server(config, now)),
            now,
            up: true,
        };
        pair.pump();
        assert!(pair.client.session.can_send() && pair.server.session.can_send());
        pair.client.take_events();
        pair.server.take_events();
        pair
    }

    fn stateful(protocol: Protocol) -> Self {
        Self::new(stateful(), protocol, 2)
    }

    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Lets both ends write and read until nothing happens any more.
    fn pump(&mut self) {
        loop {
            let moved = self.flush(Side::Client) | self.flush(Side::Server);
            self.server.read(self.now);
            self.client.read(self.now);
            if !moved {
                return;
            }
        }
    }

    fn flush(&mut self, side: Side) -> bool {
        let mut moved = false;
        while let Some(frame) = self.end(side).session.poll_output() {
            moved = true;
            self.carry(side, &frame);
        }
        moved
    }

    fn carry(&mut self, from: Side, frame: &Frame) {
        if self.up {
            let to = if from == Side::Client { &mut self.server } else { &mut self.client };
            to.input.extend_from_slice(frame.message());
        }
    }

    /// Sends a call, if that is possible now; it arrives with the next `pump`.
    fn send(&mut self, from: Side, number: usize) -> bool {
        self.flush(from);
        let session = &mut self.end(from).session;
        let Some(protocol) = session.protocol().filter(|_| session.can_send()) else { return false };
        let frame = encode::invocation(protocol, None, "m", &(number,)).unwrap();
        session.record(&frame);
        self.carry(from, &frame);
        true
    }

    /// Moves the time on, and handles each deadline when it comes.
    fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        loop {
            let ends = [&self.client, &self.server];
            let due = ends
                .iter()
                .filter(|end| end.error.is_none())
                .filter_map(|end| end.session.poll_timeout())
                .min();
            self.now = due.map_or(until, |due| due.clamp(self.now, until));
            for side in [Side::Client, Side::Server] {
                let now = self.now;
                let end = self.end(side);
                if end.error.is_none() {
                    end.error = end.session.handle_timeout(now).err();
                }
            }
            self.pump();
            if self.now == until && due.is_none_or(|due| due > until) {
                return;
            }
        }
    }

    /// Loses the transport, and what has arrived but is not handled yet.
    fn cut(&mut self) {
        for end in [&mut self.client, &mut self.server] {
            assert!(end.session.disconnected(self.now), "a stateful session waits");
            end.input.clear();
        }
        self.up = false;
    }

    fn resume(&mut self) {
        self.up = true;
        self.client.session.reconnected(self.now);
        self.server.session.reconnected(self.now);
    }
}

fn describe(event: &Event<'_>) -> String {
    let message = match event.clone() {
        Event::Handshake { protocol, version } => return format!("Handshake {} {version}", protocol.name()),
        Event::Invocation { call, streaming: false } => crate::Message::Invocation(call),
        Event::Invocation { call, streaming: true } => crate::Message::StreamInvocation(call),
        Event::StreamItem(item) => crate::Message::StreamItem(item),
        Event::Completion(completion) => crate::Message::Completion(completion),
        Event::CancelInvocation(cancel) => crate::Message::CancelInvocation(cancel),
        Event::Close(close) => crate::Message::Close(close),
    };
    testing::describe(&message)
}

fn calls(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("Invocation - m[{number}]")).collect()
}

#[test]
fn every_message_becomes_its_event() {
    for protocol in Protocol::ALL {
        let mut pair = Pair::new(SessionConfig::default(), protocol, 1);
        for frame in [
            encode::invocation(protocol, Some("1"), "a", &()).unwrap(),
            encode::stream_invocation(protocol, "2", "b", &(), &["3"]).unwrap(),
            encode::stream_item(protocol, "3", &1).unwrap(),
            encode::completion_void(protocol, "3"),
            encode::cancel_invocation(protocol, "2"),
            encode::ping(protocol),
            encode::ack(protocol, 7),
            encode::sequence(protocol, 7),
            encode::close(protocol, None, false),
        ] {
            pair.carry(Side::Client, &frame);
        }
        pair.pump();
        let expected = [
            "Invocation 1 a[]",
            "StreamInvocation 2 b[] uploads [\"3\"]",
            "StreamItem 3 1",
            "Completion 3 void",
            "CancelInvocation 2",
            "Close None false",
        ];
        assert_eq!(pair.server.take_events(), expected);
        assert_eq!(pair.server.error, None);
    }
}

#[test]
fn input_may_come_in_pieces_of_any_size() {
    for protocol in Protocol::ALL {
        for size in 1..40 {
            let mut pair = Pair::new(SessionConfig::default(), protocol, 1);
            let messages = [
                encode::invocation(protocol, Some("1"), "one", &("text",)).unwrap(),
                encode::ping(protocol),
                encode::completion(protocol, "2", &[1, 2, 3]).unwrap(),
            ];
            let bytes: Vec<u8> = messages.iter().flat_map(Frame::message).copied().collect();
            for piece in bytes.chunks(size) {
                pair.server.input.extend_from_slice(piece);
                pair.server.read(pair.now);
            }
            assert_eq!(
                pair.server.take_events(),
                ["Invocation 1 one[\"text\"]", "Completion 2 result [1,2,3]"]
            );
        }
    }
}

#[test]
fn an_unknown_message_is_skipped_and_an_invalid_one_ends_the_session() {
    let mut pair = Pair::new(SessionConfig::default(), Protocol::Json, 1);
    pair.server.input.extend_from_slice(b"{\"type\":42}\x1e{\"type\":1}\x1e{\"type\":6}\x1e");
    pair.pump();
    let error = pair.server.error.take().unwrap();
    assert_eq!(error.to_string(), "Missing required property 'target'.");
    assert_eq!(error.exception(), "InvalidDataException");
    pair.server.session.close(Some("Connection closed with an error."), true);
    pair.pump();
    assert_eq!(pair.client.take_events(), ["Close Some(\"Connection closed with an error.\") true"]);
    assert_eq!(pair.server.session.poll_timeout(), None);
}

#[test]
fn after_a_close_nothing_is_handled_and_nothing_sent() {
    let mut pair = Pair::stateful(Protocol::Json);
    pair.server.session.close(None, true);
    assert!(!pair.server.session.is_stateful() && !pair.server.session.can_send());
    pair.send(Side::Client, 1);
    pair.pump();
    assert_eq!(pair.server.take_events(), [""; 0]);
    assert_eq!(pair.client.take_events(), ["Close None true"]);
    assert!(!pair.client.session.is_stateful(), "after a Close neither end is stateful");
    assert!(!pair.client.session.disconnected(pair.now) && !pair.server.session.disconnected(pair.now));
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= 144, "{} bytes", size_of::<Session>());
    assert!(size_of::<Stateful>() <= 176, "{} bytes more with stateful reconnect", size_of::<Stateful>());
}
