//! Stateful reconnect: what lets a session outlive its transport. Both sides number the counted messages that they
//! send, from 1 on; the numbers themselves are not sent, since the other side counts along. A sender keeps each message
//! until an Ack for it arrives. On a new transport it first sends a Sequence, with the number of the message that comes
//! next, and then all kept messages again; the receiver drops those that it has already received. The session's owner
//! reports when a transport is lost or new.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::StatefulConfig;
use super::event::SessionError;
use super::timer::{Timer, TimerTable};
use crate::encode;
use crate::error::ProtocolError;
use crate::frame::Frame;
use crate::message::Message;
use crate::protocol::Protocol;

#[derive(Debug)]
pub(super) struct Stateful {
    buffer_bytes: usize,
    ack_interval: Duration,
    ack_timeout: Duration,

    /// The id of the latest message sent.
    sent: u64,
    /// The id of the latest message that the peer has acknowledged.
    acknowledged: u64,
    /// The messages from `acknowledged + 1` to `sent`.
    kept: VecDeque<Frame>,
    kept_bytes: usize,
    /// What [`Timer::AckTimeout`] means when it expires: `true` if the wait for an Ack is over, `false` if it starts
    /// only then, because the time at which the buffer became full was not known.
    ack_wait_started: bool,
    /// Whether a Sequence is the next output.
    sequence_due: bool,
    /// The id of the next message to send again. None is left once it exceeds `replay_last`, which is the latest
    /// message that was sent before the new transport came.
    replay_next: u64,
    replay_last: u64,

    /// The id of the latest message received, on any transport.
    received: u64,
    /// The id of the next message on this transport; up to `received` it is a duplicate.
    expected: u64,
    /// Whether the peer's Sequence has not arrived on this transport. The ids of messages before it are not known, and
    /// the peer will send them again.
    awaits_sequence: bool,
    /// Whether an Ack is to be sent.
    ack_due: bool,
}

impl Stateful {
    pub(super) fn new(config: &StatefulConfig) -> Self {
        Self {
            buffer_bytes: config.buffer_bytes,
            ack_interval: config.ack_interval,
            ack_timeout: config.ack_timeout,
            sent: 0,
            acknowledged: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            ack_wait_started: false,
            sequence_due: false,
            replay_next: 1,
            replay_last: 0,
            received: 0,
            expected: 1,
            awaits_sequence: false,
            ack_due: false,
        }
    }

    /// Numbers and keeps a message. Returns whether that has filled the buffer, so that the wait for an Ack is to
    /// start.
    pub(super) fn record(&mut self, frame: Frame) -> bool {
        let was_full = self.is_full();
        self.sent += 1;
        self.kept_bytes += frame.message().len();
        self.kept.push_back(frame);
        let filled = self.is_full() && !was_full;
        if filled {
            self.ack_wait_started = false;
        }
        filled
    }

    pub(super) fn can_send(&self) -> bool {
        !self.is_full() && !self.sequence_due && self.replay_next > self.replay_last
    }

    fn is_full(&self) -> bool {
        self.kept_bytes >= self.buffer_bytes && !self.kept.is_empty()
    }

    /// Takes the Sequence, and then the messages to send again.
    pub(super) fn poll_replay(&mut self, protocol: Protocol) -> Option<Frame> {
        if std::mem::take(&mut self.sequence_due) {
            return Some(encode::sequence(protocol, self.acknowledged + 1));
        }
        if self.replay_next > self.replay_last {
            return None;
        }
        // `replay_next` is never an acknowledged message, because `handle_ack` moves it on: its frame is kept.
        let index = usize::try_from(self.replay_next - self.acknowledged - 1).ok()?;
        self.replay_next += 1;
        self.kept.get(index).cloned()
    }

    /// Takes the id to acknowledge, if an Ack is due.
    pub(super) fn poll_ack(&mut self) -> Option<u64> {
        std::mem::take(&mut self.ack_due).then_some(self.received)
    }

    /// Handles Ack and Sequence, counts other messages, and returns whether a message is new and for the owner.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        timers: &mut TimerTable,
    ) -> Result<bool, ProtocolError> {
        match *message {
            Message::Sequence { sequence_id } => self.handle_sequence(sequence_id, timers).map(|()| false),
            Message::Ack { sequence_id } => self.handle_ack(sequence_id, timers).map(|()| false),
            _ if self.awaits_sequence => Ok(false),
            _ if message.message_type().is_counted() => Ok(self.count(now, timers)),
            _ => Ok(true),
        }
    }

    pub(super) fn lose_transport(&mut self) {
        self.replay_last = 0;
        self.sequence_due = false;
        self.ack_due = false;
    }

    pub(super) fn resume(&mut self, now: Instant, timers: &mut TimerTable) {
        self.awaits_sequence = true;
        self.sequence_due = true;
        self.replay_next = self.acknowledged + 1;
        self.replay_last = self.sent;
        // Without a transport the peer could not acknowledge anything: the wait for its Ack starts again.
        if self.is_full() {
            self.start_ack_wait(now, timers);
        }
        // The latest Ack may have been lost with the old transport.
        if self.received > 0 {
            timers.set(Timer::Ack, now.checked_add(self.ack_interval));
        }
    }

    pub(super) fn handle_ack_timer(&mut self) {
        self.ack_due = true;
    }

    pub(super) fn handle_ack_timeout(
        &mut self,
        now: Instant,
        timers: &mut TimerTable,
    ) -> Result<(), SessionError> {
        if self.ack_wait_started {
            return Err(SessionError::AckTimeout);
        }
        self.start_ack_wait(now, timers);
        Ok(())
    }

    fn start_ack_wait(&mut self, now: Instant, timers: &mut TimerTable) {
        self.ack_wait_started = true;
        timers.set(Timer::AckTimeout, now.checked_add(self.ack_timeout));
    }

    fn handle_sequence(&mut self, sequence_id: u64, timers: &mut TimerTable) -> Result<(), ProtocolError> {
        if !self.awaits_sequence || sequence_id == 0 {
            return Err(ProtocolError::UnexpectedSequence);
        }
        // A gap would mean that the peer has dropped messages that were never acknowledged.
        if sequence_id > self.received + 1 {
            return Err(ProtocolError::SequenceBeyondReceived);
        }
        self.awaits_sequence = false;
        self.expected = sequence_id;
        timers.stop(Timer::Connect);
        Ok(())
    }

    fn handle_ack(&mut self, sequence_id: u64, timers: &mut TimerTable) -> Result<(), ProtocolError> {
        if sequence_id > self.sent {
            return Err(ProtocolError::AckBeyondSent);
        }
        while self.acknowledged < sequence_id {
            self.acknowledged += 1;
            let len = self.kept.pop_front().map_or(0, |frame| frame.message().len());
            self.kept_bytes = self.kept_bytes.saturating_sub(len);
        }
        self.replay_next = self.replay_next.max(self.acknowledged + 1);
        if !self.is_full() {
            timers.stop(Timer::AckTimeout);
        }
        Ok(())
    }

    /// Counts a message, and returns whether it is new. A duplicate is acknowledged too: the peer sent it again because
    /// an earlier Ack has not reached it.
    fn count(&mut self, now: Instant, timers: &mut TimerTable) -> bool {
        let id = self.expected;
        self.expected += 1;
        if timers.get(Timer::Ack).is_none() {
            timers.set(Timer::Ack, now.checked_add(self.ack_interval));
        }
        let is_new = id > self.received;
        self.received = self.received.max(id);
        is_new
    }
}
