//! Keep-alive and timeouts: what a session does when a deadline has passed. The deadline for the peer's silence is
//! checked lazily: a message does not move it, but only notes when it came; when the timer expires, it checks whether
//! the deadline still holds.

use std::time::{Duration, Instant};

use super::agreement;
use super::event::SessionError;
use super::timer::Timer;
use super::{Phase, Role, Session};
use crate::encode;
use crate::protocol::Protocol;

/// How many bytes a second a peer has to send of a message that takes longer than its timeout: as slow as a line can be
/// that is used, and too fast for a trickle that is to hold a connection.
const LEAST_BYTES_PER_SECOND: u64 = 1024;

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
            Timer::Silence => return self.check_silence(now),
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
    /// since nothing is read; afterwards it counts from the start. Where the owner reads nothing because the peer takes
    /// nothing, its silence counts: see [`note_unread`](Self::note_unread).
    pub fn set_reading_paused(&mut self, now: Instant, paused: bool) {
        if std::mem::replace(&mut self.reading_paused, paused) {
            self.silent_since = now;
        }
    }

    /// Returns whether the owner has paused reading because the hub is busy.
    pub fn is_reading_paused(&self) -> bool {
        self.reading_paused
    }

    /// Fails where the peer has been silent for too long. What has come of a message that is not whole prolongs the time
    /// by what it takes at the least rate, as long as more of it comes.
    fn check_silence(&mut self, now: Instant) -> Result<(), SessionError> {
        let since = if self.reading_paused { now } else { self.silent_since };
        let Some(timeout) = self.config.client_timeout else { return Ok(()) };
        let mut deadline = since.checked_add(timeout);
        if deadline.is_some_and(|deadline| deadline <= now) {
            let come = u32::try_from(self.searched).unwrap_or(u32::MAX);
            if std::mem::replace(&mut self.seen, come) < come {
                let micros = u64::from(come) * 1_000_000 / LEAST_BYTES_PER_SECOND;
                let prolonged = deadline.and_then(|at| at.checked_add(Duration::from_micros(micros)));
                deadline = prolonged.into_iter().chain(now.checked_add(timeout)).min();
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(SessionError::ClientTimeout);
            }
        }
        self.timers.set(Timer::Silence, deadline);
        Ok(())
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
