//! The state machine of a connection: handshake, keep-alive, timeouts, and stateful reconnect. It is the same for both
//! ends. It neither queues messages nor dispatches calls; that is its owner's work.

mod agreement;
pub(crate) mod config;
pub(crate) mod event;
mod look_ahead;
pub(crate) mod snapshot;
mod stateful;
#[cfg(test)]
mod tests;
mod timeouts;
mod timer;

use std::sync::Arc;
use std::time::Instant;

use self::config::SessionConfig;
use self::event::{Event, Progress, SessionError};
use self::stateful::Stateful;
use self::timer::{Timer, TimerTable};
use crate::decode::{decode, split_from};
use crate::encode;
use crate::error::ProtocolError;
use crate::frame::Frame;
use crate::message::Message;
use crate::message::handshake::HandshakeResponse;
use crate::protocol::Protocol;

/// One end of a connection, without I/O and without a clock: bytes and the time come in, events and frames go out.
///
/// The owner's part of the contract:
///
/// * Bytes that arrive are kept in one buffer. [`handle_input`](Self::handle_input) is called with all of it, what it
///   consumed is dropped from the front, and it is called again until it consumes nothing.
/// * After each call all of [`poll_output`](Self::poll_output) is written, before anything that is sent later.
/// * While the owner reads nothing, because it cannot write, it calls [`look_ahead`](Self::look_ahead) with what comes,
///   and [`note_unread`](Self::note_unread) before `handle_timeout`.
/// * A frame is sent only while [`can_send`](Self::can_send), and is given to [`record`](Self::record) just before.
/// * [`handle_timeout`](Self::handle_timeout) is called when the time of [`poll_timeout`](Self::poll_timeout) has come.
///   The deadline may have moved meanwhile; then nothing happens, and the next one is later.
/// * After an error the owner may [`close`](Self::close), writes what is left of the output, and ends.
/// * When the transport is lost, [`disconnected`](Self::disconnected) returns whether to wait for another. The bytes of
///   the old one, not yet handled or not yet written, are dropped; with a new one [`reconnected`](Self::reconnected) is
///   called.
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
/// let request = client.poll_output().ok_or("a client sends first")?;
/// let progress = server.handle_input(now, request.message())?;
/// assert!(matches!(progress.event, Some(Event::Handshake { protocol: Protocol::Json, version: 1 })));
/// let response = server.poll_output().ok_or("a server responds")?;
/// assert_eq!(response.message(), b"{}\x1e");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    role: Role,
    phase: Phase,
    /// Whether protocol and version are agreed on. Before, a client's are those that it requests.
    agreed: bool,
    protocol: Protocol,
    version: u32,
    /// Whether the handshake's request, or the response that agrees, is the next output.
    handshake_due: bool,
    /// Whether a Ping is to be sent.
    ping_due: bool,
    /// Whether the peer is known to ping, so that its silence counts.
    peer_pings: bool,
    /// Whether reading pauses because the hub is busy, so that the peer's silence does not count.
    reading_paused: bool,
    /// Since when the peer has been silent: its latest message, or the end of a pause in reading.
    silent_since: Instant,
    timers: TimerTable,
    /// How many bytes at the front of the input are known to hold no end of a record.
    searched: usize,
    /// How many these were when the peer's silence was last found too long but for them.
    seen: u32,
    /// The last output: the response to a handshake that failed, or a Close. Boxed because it exists only at the end.
    final_frame: Option<Box<Frame>>,
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
    /// The transport is lost, and the session waits for another.
    Lost,
    Closed,
}

impl Session {
    /// Makes the server's end, which waits for a handshake. The configuration may be an `Arc`, to be shared.
    pub fn server(config: impl Into<Arc<SessionConfig>>, now: Instant) -> Self {
        Self::new(config.into(), Role::Server, Protocol::Json, 0, now)
    }

    /// Makes the client's end, which requests `protocol` and `version`: 2 where stateful reconnect has been negotiated,
    /// otherwise 1. The request is the first output.
    pub fn client(
        config: impl Into<Arc<SessionConfig>>,
        protocol: Protocol,
        version: u32,
        now: Instant,
    ) -> Self {
        Self::new(config.into(), Role::Client, protocol, version, now)
    }

    fn new(config: Arc<SessionConfig>, role: Role, protocol: Protocol, version: u32, now: Instant) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Connect, now.checked_add(config.handshake_timeout));
        Self {
            config,
            role,
            phase: Phase::Handshake,
            agreed: false,
            protocol,
            version,
            handshake_due: role == Role::Client,
            ping_due: false,
            peer_pings: role == Role::Client,
            reading_paused: false,
            silent_since: now,
            timers,
            searched: 0,
            seen: 0,
            final_frame: None,
            stateful: None,
        }
    }

    /// Reads at most one message from the front of `input`. Pings, acknowledgements, duplicates and messages of unknown
    /// types are handled here: they consume bytes, but give no event.
    ///
    /// # Errors
    ///
    /// [`SessionError::Handshake`] or [`SessionError::Protocol`] if the peer breaks the protocol. Nothing more may be
    /// read then.
    pub fn handle_input<'a>(&mut self, now: Instant, input: &'a [u8]) -> Result<Progress<'a>, SessionError> {
        match self.phase {
            Phase::Handshake => self.handle_handshake(now, input),
            Phase::Connected => self.handle_message(now, input),
            Phase::Lost | Phase::Closed => Ok(Progress { consumed: input.len(), event: None }),
        }
    }

    /// Numbers and keeps a frame that is about to be sent, if the session is stateful and the frame counted.
    pub fn record(&mut self, frame: &Frame) {
        if let Some(stateful) = &mut self.stateful
            && self.phase != Phase::Closed
            && frame.is_counted()
            && stateful.record(frame.clone())
            && self.phase == Phase::Connected
        {
            // The wait for an Ack starts, but the time is not known: it would cost a look at the clock for each
            // message. A deadline that has passed makes the owner call `handle_timeout` at once, which knows the time.
            self.timers.set(Timer::AckTimeout, Some(self.silent_since));
        }
    }

    /// Takes the next frame that the session itself wants to send: the handshake, Sequence, messages that are sent
    /// again, Ack, Ping, Close.
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
            return self.final_frame.take().map(|frame| *frame);
        }
        if let Some(stateful) = &mut self.stateful
            && let Some(id) = stateful.poll_ack()
        {
            return Some(encode::ack(self.protocol, id));
        }
        std::mem::take(&mut self.ping_due).then(|| encode::ping(self.protocol))
    }

    /// Returns whether a message may be sent now. It may not before the handshake is done, without a transport, before
    /// kept messages have been sent again, or while the buffer of unacknowledged ones is full (backpressure).
    pub fn can_send(&self) -> bool {
        self.send_room() > 0
    }

    /// Returns how many bytes of messages may be sent now: 0 where none may, and no limit where the session is not
    /// stateful. The last one may exceed it, so that a message of any size can be sent.
    pub fn send_room(&self) -> usize {
        match &self.stateful {
            _ if self.phase != Phase::Connected => 0,
            Some(stateful) => stateful.room(),
            None => usize::MAX,
        }
    }

    /// Ends the session. If the handshake is done and there is a transport, the last output is a Close.
    pub fn close(&mut self, error: Option<&str>, allow_reconnect: bool) {
        if self.phase == Phase::Connected {
            self.final_frame = Some(Box::new(encode::close(self.protocol, error, allow_reconnect)));
        }
        self.end();
    }

    /// Returns whether the session can outlive its transport.
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

    /// Notes that the transport is lost. Returns whether the session waits for another, which it does if it is stateful
    /// and no Close has been sent or received.
    pub fn disconnected(&mut self, now: Instant) -> bool {
        match (&mut self.stateful, &self.config.stateful, self.phase) {
            (Some(stateful), Some(config), Phase::Connected) => {
                stateful.lose_transport();
                let deadline = now.checked_add(config.reconnect_timeout);
                self.phase = Phase::Lost;
                self.forget_transport();
                self.timers.set(Timer::Connect, deadline);
                true
            }
            (Some(_), _, Phase::Lost) => true,
            _ => {
                self.end();
                false
            }
        }
    }

    /// Resumes the session on a new transport: a Sequence and all messages that are not acknowledged become output.
    /// What the peer sends is dropped until its own Sequence comes, which must be within the reconnect timeout. Does
    /// nothing unless the session waits for a transport.
    pub fn reconnected(&mut self, now: Instant) {
        if self.phase != Phase::Lost {
            return;
        }
        if let (Some(stateful), Some(config)) = (&mut self.stateful, &self.config.stateful) {
            stateful.resume(now, &mut self.timers);
            self.phase = Phase::Connected;
            self.timers.set(Timer::Connect, now.checked_add(config.reconnect_timeout));
            self.start_keep_alive(now);
        }
    }

    fn handle_handshake<'a>(&mut self, now: Instant, input: &'a [u8]) -> Result<Progress<'a>, SessionError> {
        let (record, consumed) = match split_from(Protocol::Json, input, self.searched, &self.config.limits) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(self.incomplete(input)),
            Err(_) => return Err(self.fail_handshake(agreement::CANCELED.to_owned())),
        };
        self.searched = 0;
        let agreed = match self.role {
            Role::Server => agreement::agree(&self.config, record),
            Role::Client => match HandshakeResponse::decode(record, &self.config.limits) {
                Ok(HandshakeResponse { error: None }) => Ok((self.protocol, self.version)),
                Ok(HandshakeResponse { error: Some(error) }) => Err(error.into_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        let (protocol, version) = agreed.map_err(|message| self.fail_handshake(message))?;
        self.agreed = true;
        self.protocol = protocol;
        self.version = version;
        self.phase = Phase::Connected;
        self.timers.stop(Timer::Connect);
        self.handshake_due = self.role == Role::Server;
        // A client pings at once, so that the server knows that it pings, and counts its silence from now on.
        self.ping_due = self.role == Role::Client && self.config.keep_alive_interval.is_some();
        let stateful = self.config.stateful.as_ref().filter(|_| version >= agreement::STATEFUL_VERSION);
        self.stateful = stateful.map(|config| Box::new(Stateful::new(config)));
        self.start_keep_alive(now);
        Ok(Progress { consumed, event: Some(Event::Handshake { protocol, version }) })
    }

    fn handle_message<'a>(&mut self, now: Instant, input: &'a [u8]) -> Result<Progress<'a>, SessionError> {
        let limits = &self.config.limits;
        let Some((record, consumed)) = split_from(self.protocol, input, self.searched, limits)? else {
            return Ok(self.incomplete(input));
        };
        (self.searched, self.seen) = (0, 0);
        self.silent_since = now;
        if let Some(stateful) = &mut self.stateful {
            stateful.ahead.consumed(consumed);
        }
        let event = match decode(self.protocol, record, limits)? {
            Some(message) if self.admit(now, &message)? => self.event(now, message),
            _ => None,
        };
        Ok(Progress { consumed, event })
    }

    /// Returns whether a message is to be acted on, after stateful reconnect has handled it.
    #[inline]
    fn admit(&mut self, now: Instant, message: &Message<'_>) -> Result<bool, ProtocolError> {
        match &mut self.stateful {
            Some(stateful) => stateful.admit(now, message, &mut self.timers),
            None => Ok(true),
        }
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
                self.timers.stop(Timer::Ack);
                self.timers.stop(Timer::AckTimeout);
                Some(Event::Close(close))
            }
            // Without stateful reconnect they have no meaning.
            Message::Ack { .. } | Message::Sequence { .. } => None,
        }
    }

    fn incomplete<'a>(&mut self, input: &'a [u8]) -> Progress<'a> {
        self.searched = input.len();
        Progress { consumed: 0, event: None }
    }

    fn fail_handshake(&mut self, message: String) -> SessionError {
        if self.role == Role::Server {
            let response = encode::handshake_response(Protocol::Json, Some(&message));
            self.final_frame = Some(Box::new(response));
        }
        self.end();
        SessionError::Handshake { message }
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.forget_transport();
    }

    /// Drops what concerns the transport that is gone.
    fn forget_transport(&mut self) {
        self.timers.stop_all();
        self.ping_due = false;
        (self.searched, self.seen) = (0, 0);
    }
}
