//! The deadlines of a session. They are checked lazily: a message only notes when it came, and a deadline that has
//! come looks whether it still holds.

use std::time::Instant;

use super::{Phase, Role, Session, SessionError, agreement};
use crate::{Protocol, encode};

impl Session {
    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called. Cheap, and not moved by each message.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = earlier(self.phase_deadline, earlier(self.next_ping, self.silence_check));
        match &self.stateful {
            // What is full has just become so, and the time is not yet known: `heard` makes that be made good at once.
            Some(stateful) if self.phase == Phase::Connected => earlier(own, stateful.deadline(self.heard)),
            _ => own,
        }
    }

    /// Does what has become due. To be called when [`poll_timeout`](Self::poll_timeout) has come, and at any time.
    ///
    /// # Errors
    ///
    /// Where a deadline has passed that the connection does not survive.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if is_due(self.phase_deadline, now) {
            return Err(self.miss_phase_deadline());
        }
        if self.phase != Phase::Connected {
            return Ok(());
        }
        if is_due(self.next_ping, now) {
            self.ping_due = true;
            self.next_ping = self.config.keep_alive_interval.and_then(|interval| now.checked_add(interval));
        }
        if is_due(self.silence_check, now) {
            let since = if self.dispatching { now } else { self.heard };
            self.silence_check = self.config.client_timeout.and_then(|timeout| since.checked_add(timeout));
            if is_due(self.silence_check, now) {
                self.silence_check = None;
                return Err(SessionError::ClientTimeout);
            }
        }
        match (&mut self.stateful, &self.config.stateful) {
            (Some(stateful), Some(config)) => stateful.handle_timeout(now, config),
            _ => Ok(()),
        }
    }

    /// Takes note that the reader waits for the hub, or no longer does. The peer's silence does not count meanwhile,
    /// because nobody listens; afterwards it counts anew.
    pub fn set_dispatching(&mut self, now: Instant, busy: bool) {
        if std::mem::replace(&mut self.dispatching, busy) {
            self.heard = now;
        }
    }

    pub(super) fn start_timers(&mut self, now: Instant) {
        self.heard = now;
        self.next_ping = self.config.keep_alive_interval.and_then(|interval| now.checked_add(interval));
        if self.peer_pings {
            self.silence_check = self.config.client_timeout.and_then(|timeout| now.checked_add(timeout));
        }
    }

    pub(super) fn stop_timers(&mut self) {
        self.next_ping = None;
        self.silence_check = None;
        self.ping_due = false;
        self.searched = 0;
    }

    pub(super) fn end(&mut self) {
        self.phase = Phase::Closed;
        self.phase_deadline = None;
        self.stop_timers();
    }

    pub(super) fn note_ping(&mut self, now: Instant) {
        if !self.peer_pings {
            self.peer_pings = true;
            self.silence_check = self.config.client_timeout.and_then(|timeout| now.checked_add(timeout));
        }
    }

    fn miss_phase_deadline(&mut self) -> SessionError {
        let error = match self.phase {
            Phase::Handshake if self.role == Role::Server => {
                self.last_words = Some(encode::handshake_response(Protocol::Json, Some(agreement::CANCELED)));
                SessionError::HandshakeTimeout
            }
            Phase::Handshake => SessionError::HandshakeTimeout,
            Phase::Connected | Phase::Lost | Phase::Closed => SessionError::ReconnectTimeout,
        };
        self.end();
        error
    }
}

pub(super) fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
