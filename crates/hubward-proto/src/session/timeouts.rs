//! Keep-alive and timeouts: what a session does when a deadline has passed. The deadline for the peer's silence is
//! checked lazily: a message does not move it, but only notes when it came; when the timer expires, it checks whether
//! the deadline still holds.

use std::time::Instant;

use super::agreement;
use super::event::SessionError;
use super::timer::Timer;
use super::{Phase, Role, Session};
use crate::encode;
use crate::protocol::Protocol;

impl Session {
    /// Returns when [`handle_timeout`](Self::handle_timeout) is to be called. It is cheap, and few messages change it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Does what has become due. It is to be called when the time of [`poll_timeout`](Self::poll_timeout) has come, and
    /// may be called at any time.
    ///
    /// # Errors
    ///
    /// If a deadline has passed that ends the connection.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        for timer in Timer::ALL {
            if self.timers.is_due(timer, now) {
                self.timers.stop(timer);
                self.expire(timer, now)?;
            }
        }
        Ok(())
    }

    fn expire(&mut self, timer: Timer, now: Instant) -> Result<(), SessionError> {
        match timer {
            Timer::Connect => return Err(self.fail_to_connect()),
            Timer::Ping => {
                self.ping_due = true;
                self.start_ping_timer(now);
            }
            Timer::Silence => {
                let since = if self.reading_paused { now } else { self.silent_since };
                self.start_silence_timer(since);
                if self.timers.is_due(Timer::Silence, now) {
                    self.timers.stop(Timer::Silence);
                    return Err(SessionError::ClientTimeout);
                }
            }
            Timer::Ack => {
                if let Some(stateful) = &mut self.stateful {
                    stateful.handle_ack_timer();
                }
            }
            Timer::AckTimeout => {
                if let Some(stateful) = &mut self.stateful {
                    stateful.handle_ack_timeout(now, &mut self.timers)?;
                }
            }
        }
        Ok(())
    }

    /// Notes whether the owner has paused reading because the hub is busy. The peer's silence does not count meanwhile,
    /// since nothing is read; afterwards it counts from the start.
    pub fn set_reading_paused(&mut self, now: Instant, paused: bool) {
        if std::mem::replace(&mut self.reading_paused, paused) {
            self.silent_since = now;
        }
    }

    /// Starts the keep-alive of a connection that has just been established.
    pub(super) fn start_keep_alive(&mut self, now: Instant) {
        self.silent_since = now;
        self.start_ping_timer(now);
        if self.peer_pings {
            self.start_silence_timer(now);
        }
    }

    /// Lets the peer's silence count from its first Ping on: clients that never ping may be silent.
    pub(super) fn note_ping(&mut self, now: Instant) {
        if !self.peer_pings {
            self.peer_pings = true;
            self.start_silence_timer(now);
        }
    }

    fn start_ping_timer(&mut self, now: Instant) {
        let interval = self.config.keep_alive_interval;
        self.timers.set(Timer::Ping, interval.and_then(|interval| now.checked_add(interval)));
    }

    fn start_silence_timer(&mut self, since: Instant) {
        let timeout = self.config.client_timeout;
        self.timers.set(Timer::Silence, timeout.and_then(|timeout| since.checked_add(timeout)));
    }

    fn fail_to_connect(&mut self) -> SessionError {
        let error = match self.phase {
            Phase::Handshake => SessionError::HandshakeTimeout,
            Phase::Connected | Phase::Lost | Phase::Closed => SessionError::ReconnectTimeout,
        };
        if self.phase == Phase::Handshake && self.role == Role::Server {
            let response = encode::handshake_response(Protocol::Json, Some(agreement::CANCELED));
            self.final_frame = Some(Box::new(response));
        }
        self.end();
        error
    }
}
