//! The state machine of a connection: handshake, keep-alive, timeouts, and the numbering that lets a session outlive
//! its transport. It is the same for both ends. It neither queues nor dispatches messages; that is its owner's work.

mod agreement;
mod config;
mod event;
mod stateful;
#[cfg(test)]
mod tests;
mod timers;

use std::{sync::Arc, time::Instant};

pub use config::{SessionConfig, StatefulConfig};
pub use event::{Event, Progress, SessionError};

use self::stateful::Stateful;
use crate::{
    Frame, HandshakeResponse, Message, Protocol, ProtocolError,
    decode::{decode, split_from},
    encode,
};

/// One end of a connection, without I/O and without a clock: bytes and the time come in, events and frames go out.
///
/// The owner's part of the contract:
///
/// * Bytes that arrive are kept in one buffer. [`handle_input`](Self::handle_input) is called with all of it, what it
///   consumed is dropped from the front, and it is called again until it consumes nothing.
/// * After each call all of [`poll_output`](Self::poll_output) is written, before anything that is sent later.
/// * A frame is sent only while [`can_send`](Self::can_send), and [`record`](Self::record) gets it just before.
/// * [`handle_timeout`](Self::handle_timeout) is called when [`poll_timeout`](Self::poll_timeout) has come. A deadline
///   may turn out to have moved; then nothing happens but that the next is later.
/// * After an error the owner may [`close`](Self::close), writes what is left of the output, and ends.
/// * When the transport breaks, [`disconnected`](Self::disconnected) tells whether to wait for another. The bytes of
///   the old one, read or not yet written, are dropped; for a new one [`reconnected`](Self::reconnected) is called.
///
/// ```
/// use std::time::Instant;
///
/// use hubward_proto::{Event, Protocol, Session, SessionConfig};
///
/// let now = Instant::now();
/// let mut client = Session::client(SessionConfig::default(), Protocol::Json, 1, now);
/// let mut server = Session::server(SessionConfig::default(), now);
///
/// let request = client.poll_output().ok_or("a client speaks first")?;
/// let progress = server.handle_input(now, request.message())?;
/// assert!(matches!(progress.event, Some(Event::Handshake { protocol: Protocol::Json, version: 1 })));
/// let answer = server.poll_output().ok_or("a server answers")?;
/// assert_eq!(answer.message(), b"{}\x1e");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    role: Role,
    phase: Phase,
    /// Whether protocol and version have been agreed on; before, a client's are what it asks for.
    agreed: bool,
    protocol: Protocol,
    version: u32,
    /// The handshake's request, or the answer that agrees, is still to be polled.
    handshake_due: bool,
    ping_due: bool,
    /// Whether the peer's silence counts: it has shown that it pings.
    peer_pings: bool,
    /// Whether the reader waits for the hub, so that silence does not count.
    dispatching: bool,
    /// When the peer was last heard.
    heard: Instant,
    /// When the handshake, or the wait for a transport, has lasted too long.
    phase_deadline: Option<Instant>,
    next_ping: Option<Instant>,
    /// When to look whether the peer has been silent for too long.
    silence_check: Option<Instant>,
    /// Bytes at the front of the input in which no record ends.
    searched: usize,
    /// A refused handshake or a Close: nothing follows it.
    last_words: Option<Frame>,
    /// Boxed because most sessions do without.
    stateful: Option<Box<Stateful>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Server,
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Handshake,
    Connected,
    /// The transport is lost, and another is waited for.
    Lost,
    Closed,
}

impl Session {
    /// Makes the server's end; it waits for the handshake. The configuration may be an `Arc`, to be shared.
    pub fn server(config: impl Into<Arc<SessionConfig>>, now: Instant) -> Self {
        Self::new(config.into(), Role::Server, Protocol::Json, 0, now)
    }

    /// Makes the client's end, which asks for `protocol` and `version`: 2 where stateful reconnect has been
    /// negotiated, otherwise 1. The request is the first output.
    pub fn client(
        config: impl Into<Arc<SessionConfig>>,
        protocol: Protocol,
        version: u32,
        now: Instant,
    ) -> Self {
        Self::new(config.into(), Role::Client, protocol, version, now)
    }

    fn new(config: Arc<SessionConfig>, role: Role, protocol: Protocol, version: u32, now: Instant) -> Self {
        Self {
            phase_deadline: now.checked_add(config.handshake_timeout),
            config,
            role,
            phase: Phase::Handshake,
            agreed: false,
            protocol,
            version,
            handshake_due: role == Role::Client,
            ping_due: false,
            peer_pings: role == Role::Client,
            dispatching: false,
            heard: now,
            next_ping: None,
            silence_check: None,
            searched: 0,
            last_words: None,
            stateful: None,
        }
    }

    /// Reads at most one message from the front of `input`. Pings, acknowledgements, duplicates and messages of unknown
    /// types are dealt with inside: then bytes are consumed, and there is no event.
    ///
    /// # Errors
    ///
    /// [`SessionError::Handshake`] or [`SessionError::Protocol`] where the peer breaks the protocol. Nothing more is to
    /// be read then.
    pub fn handle_input<'a>(&mut self, now: Instant, input: &'a [u8]) -> Result<Progress<'a>, SessionError> {
        match self.phase {
            Phase::Handshake => self.handle_handshake(now, input),
            Phase::Connected => self.handle_message(now, input),
            Phase::Lost | Phase::Closed => Ok(Progress { consumed: input.len(), event: None }),
        }
    }

    /// Numbers and keeps a frame that is about to be sent, where the session is stateful and the frame counted.
    pub fn record(&mut self, frame: &Frame) {
        if let Some(stateful) = &mut self.stateful
            && self.phase != Phase::Closed
            && frame.is_counted()
        {
            stateful.record(frame.clone());
        }
    }

    /// Takes the next frame that the session itself wants to send: the handshake, Sequence, what is sent again, Ack,
    /// Ping, Close.
    pub fn poll_output(&mut self) -> Option<Frame> {
        if self.phase == Phase::Lost {
            return None;
        }
        if std::mem::take(&mut self.handshake_due) {
            return Some(match self.role {
                Role::Client => encode::handshake_request(self.protocol, self.version),
                Role::Server => encode::handshake_response(self.protocol, None),
            });
        }
        if let Some(stateful) = &mut self.stateful
            && let Some(frame) = stateful.poll_replay(self.protocol)
        {
            return Some(frame);
        }
        if self.phase == Phase::Closed {
            return self.last_words.take();
        }
        if let Some(stateful) = &mut self.stateful
            && let Some(id) = stateful.poll_ack()
        {
            return Some(encode::ack(self.protocol, id));
        }
        std::mem::take(&mut self.ping_due).then(|| encode::ping(self.protocol))
    }

    /// Tells whether a message may be sent now. It may not before the handshake is done, without a transport, while
    /// messages are still to be sent again, or while too much is not acknowledged.
    pub fn can_send(&self) -> bool {
        self.phase == Phase::Connected && self.stateful.as_ref().is_none_or(|stateful| stateful.can_send())
    }

    /// Ends the session. Where the handshake is done and there is a transport, the last output is a Close.
    pub fn close(&mut self, error: Option<&str>, allow_reconnect: bool) {
        if self.phase == Phase::Connected {
            self.last_words = Some(encode::close(self.protocol, error, allow_reconnect));
        }
        self.end();
    }

    /// Tells whether the session can outlive its transport.
    pub fn is_stateful(&self) -> bool {
        self.stateful.is_some() && self.phase != Phase::Closed
    }

    /// Returns the protocol, once the handshake is done.
    pub fn protocol(&self) -> Option<Protocol> {
        self.agreed.then_some(self.protocol)
    }

    /// Returns the version of the protocol, once the handshake is done.
    pub fn version(&self) -> Option<u32> {
        self.agreed.then_some(self.version)
    }

    /// Takes note that the transport is lost without a goodbye. `true` means that the session waits for another.
    pub fn disconnected(&mut self, now: Instant) -> bool {
        match (&mut self.stateful, &self.config.stateful, self.phase) {
            (Some(stateful), Some(config), Phase::Connected) => {
                stateful.lose_transport();
                self.phase = Phase::Lost;
                self.phase_deadline = now.checked_add(config.reconnect_timeout);
                self.stop_timers();
                true
            }
            (Some(_), _, Phase::Lost) => true,
            _ => {
                self.end();
                false
            }
        }
    }

    /// Takes up the session on a new transport: Sequence and all that was not acknowledged become output, and what the
    /// peer sends is dropped until its own Sequence comes, which must be within the reconnect timeout. Does nothing
    /// unless the session waits for a transport.
    pub fn reconnected(&mut self, now: Instant) {
        if self.phase != Phase::Lost {
            return;
        }
        if let (Some(stateful), Some(config)) = (&mut self.stateful, &self.config.stateful) {
            stateful.take_transport(now, config);
            self.phase = Phase::Connected;
            self.phase_deadline = now.checked_add(config.reconnect_timeout);
            self.start_timers(now);
        }
    }

    fn handle_handshake<'a>(&mut self, now: Instant, input: &'a [u8]) -> Result<Progress<'a>, SessionError> {
        let (record, consumed) = match split_from(Protocol::Json, input, self.searched, &self.config.limits) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(self.incomplete(input)),
            Err(_) => return Err(self.refuse(agreement::CANCELED.to_owned())),
        };
        self.searched = 0;
        let agreed = match self.role {
            Role::Server => agreement::answer(&self.config, record),
            Role::Client => match HandshakeResponse::decode(record, &self.config.limits) {
                Ok(HandshakeResponse { error: None }) => Ok((self.protocol, self.version)),
                Ok(HandshakeResponse { error: Some(error) }) => Err(error.into_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        let (protocol, version) = agreed.map_err(|message| self.refuse(message))?;
        self.agreed = true;
        self.protocol = protocol;
        self.version = version;
        self.phase = Phase::Connected;
        self.phase_deadline = None;
        self.handshake_due = self.role == Role::Server;
        // A client's first ping tells the server that silence will mean something.
        self.ping_due = self.role == Role::Client && self.config.keep_alive_interval.is_some();
        let stateful = self.config.stateful.as_ref().filter(|_| version >= agreement::STATEFUL_VERSION);
        self.stateful = stateful.map(|config| Box::new(Stateful::new(config)));
        self.start_timers(now);
        Ok(Progress { consumed, event: Some(Event::Handshake { protocol, version }) })
    }

    fn handle_message<'a>(&mut self, now: Instant, input: &'a [u8]) -> Result<Progress<'a>, SessionError> {
        let limits = &self.config.limits;
        let Some((record, consumed)) = split_from(self.protocol, input, self.searched, limits)? else {
            return Ok(self.incomplete(input));
        };
        self.searched = 0;
        self.heard = now;
        let event = match decode(self.protocol, record, limits)? {
            Some(message) if self.admit(now, &message)? => self.event(now, message),
            _ => None,
        };
        Ok(Progress { consumed, event })
    }

    /// Tells whether a message is to be acted on, having drawn from it what concerns numbering.
    #[inline]
    fn admit(&mut self, now: Instant, message: &Message<'_>) -> Result<bool, ProtocolError> {
        let Some(stateful) = &mut self.stateful else { return Ok(true) };
        let admitted = stateful.admit(now, message)?;
        if !stateful.awaits_sequence() {
            self.phase_deadline = None;
        }
        Ok(admitted)
    }

    #[inline]
    fn event<'a>(&mut self, now: Instant, message: Message<'a>) -> Option<Event<'a>> {
        match message {
            Message::Invocation(call) => Some(Event::Invocation { call, streaming: false }),
            Message::StreamInvocation(call) => Some(Event::Invocation { call, streaming: true }),
            Message::StreamItem(item) => Some(Event::StreamItem(item)),
            Message::Completion(completion) => Some(Event::Completion(completion)),
            Message::CancelInvocation(cancel) => Some(Event::CancelInvocation(cancel)),
            Message::Ping => {
                self.note_ping(now);
                None
            }
            Message::Close(close) => {
                self.stateful = None;
                Some(Event::Close(close))
            }
            // Without stateful reconnect they mean nothing.
            Message::Ack { .. } | Message::Sequence { .. } => None,
        }
    }

    fn incomplete<'a>(&mut self, input: &'a [u8]) -> Progress<'a> {
        self.searched = input.len();
        Progress { consumed: 0, event: None }
    }

    fn refuse(&mut self, message: String) -> SessionError {
        if self.role == Role::Server {
            self.last_words = Some(encode::handshake_response(Protocol::Json, Some(&message)));
        }
        self.end();
        SessionError::Handshake { message }
    }
}
