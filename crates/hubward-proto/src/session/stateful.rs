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

/// Room for messages that stays when all are acknowledged; more is freed.
const KEPT_CAPACITY: usize = 16;

#[derive(Debug)]
pub(super) struct Stateful {
    buffer_bytes: usize,
    ack_interval: Duration,
    ack_timeout: Duration,
    minimum_drain_bytes_per_second: u32,

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
    /// Since when the buffer has been full or nearly so, and how much of it has been acknowledged since then.
    full_since: Option<Instant>,
    freed_bytes: u64,
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

    /// How far ahead the session has looked into the input.
    pub(super) ahead: LookedAhead,
}

/// How far into the input the session has looked beyond what it has handled.
#[derive(Debug, Default)]
pub(super) struct LookedAhead {
    /// Bytes at the front of the input whose messages have been looked at.
    pub(super) bytes: usize,
    /// Bytes after those that are known to hold no end of a record.
    pub(super) searched: usize,
}

impl LookedAhead {
    /// Notes that bytes at the front of the input were consumed.
    pub(super) fn consumed(&mut self, bytes: usize) {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => *self = Self::default(),
        }
    }
}

impl Stateful {
    pub(super) fn new(config: &StatefulConfig) -> Self {
        Self {
            buffer_bytes: config.buffer_bytes,
            ack_interval: config.ack_interval,
            ack_timeout: config.ack_timeout,
            minimum_drain_bytes_per_second: config.minimum_drain_bytes_per_second,
            sent: 0,
            acknowledged: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            ack_wait_started: false,
            full_since: None,
            freed_bytes: 0,
            sequence_due: false,
            replay_next: 1,
            replay_last: 0,
            received: 0,
            expected: 1,
            awaits_sequence: false,
            ack_due: false,
            ahead: LookedAhead::default(),
        }
    }

    /// Goes on from what another one has sent and received.
    pub(super) fn with_progress(
        config: &StatefulConfig,
        acknowledged: u64,
        received: u64,
        kept: Vec<Frame>,
    ) -> Self {
        Self {
            sent: acknowledged + kept.len() as u64,
            acknowledged,
            kept_bytes: kept.iter().map(|frame| frame.message().len()).sum(),
            kept: kept.into(),
            received,
            ..Self::new(config)
        }
    }

    /// Returns the ids of the latest messages that were acknowledged and received, and the messages that are kept.
    pub(super) fn progress(&self) -> (u64, u64, Vec<Frame>) {
        (self.acknowledged, self.received, self.kept.iter().cloned().collect())
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

    /// Returns how many bytes of messages may be sent: 0 while none may, and at least 1 while one may.
    pub(super) fn room(&self) -> usize {
        if self.is_full() || self.sequence_due || self.replay_next <= self.replay_last {
            return 0;
        }
        self.buffer_bytes.saturating_sub(self.kept_bytes).max(1)
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
            Message::Ack { sequence_id } => self.handle_ack(now, sequence_id, timers).map(|()| false),
            _ if self.awaits_sequence => Ok(false),
            _ if message.message_type().is_counted() => Ok(self.count(now, timers)),
            _ => Ok(true),
        }
    }

    pub(super) fn lose_transport(&mut self) {
        self.replay_last = 0;
        self.sequence_due = false;
        self.ack_due = false;
        self.ahead = LookedAhead::default();
    }

    pub(super) fn resume(&mut self, now: Instant, timers: &mut TimerTable) {
        self.awaits_sequence = true;
        self.sequence_due = true;
        self.replay_next = self.acknowledged + 1;
        self.replay_last = self.sent;
        // Without a transport the peer could not acknowledge anything: the wait for its Ack starts again.
        self.full_since = None;
        self.freed_bytes = 0;
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

    /// Waits for the next Ack that frees something, and for as many bytes as the peer has to acknowledge since the
    /// buffer became full.
    fn start_ack_wait(&mut self, now: Instant, timers: &mut TimerTable) {
        self.ack_wait_started = true;
        // A message that is larger than the buffer cannot be acknowledged in parts.
        let times = u32::try_from(self.kept_bytes / self.buffer_bytes.max(1)).unwrap_or(u32::MAX).max(1);
        let wait = self.ack_timeout.checked_mul(times);
        let since = *self.full_since.get_or_insert(now);
        let next = wait.and_then(|wait| now.checked_add(wait));
        let drained = self.freed_bytes.checked_div(u64::from(self.minimum_drain_bytes_per_second));
        let drained = drained.and_then(|seconds| wait?.checked_add(Duration::from_secs(seconds)));
        let drained = drained.and_then(|wait| since.checked_add(wait));
        timers.set(Timer::AckTimeout, next.into_iter().chain(drained).min());
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

    pub(super) fn handle_ack(
        &mut self,
        now: Instant,
        sequence_id: u64,
        timers: &mut TimerTable,
    ) -> Result<(), ProtocolError> {
        if sequence_id > self.sent {
            return Err(ProtocolError::AckBeyondSent);
        }
        let before = self.kept_bytes;
        while self.acknowledged < sequence_id {
            self.acknowledged += 1;
            let len = self.kept.pop_front().map_or(0, |frame| frame.message().len());
            self.kept_bytes = self.kept_bytes.saturating_sub(len);
        }
        // An idle session keeps no memory of what it once sent.
        if self.kept.is_empty() && self.kept.capacity() > KEPT_CAPACITY {
            self.kept = VecDeque::new();
        }
        self.replay_next = self.replay_next.max(self.acknowledged + 1);
        self.freed(before.saturating_sub(self.kept_bytes), now, timers);
        Ok(())
    }

    /// Handles that an Ack has freed this much of the buffer.
    fn freed(&mut self, bytes: usize, now: Instant, timers: &mut TimerTable) {
        self.freed_bytes = self.freed_bytes.saturating_add(bytes as u64);
        if self.kept_bytes <= self.buffer_bytes / 2 {
            self.full_since = None;
            self.freed_bytes = 0;
        }
        if !self.is_full() {
            timers.stop(Timer::AckTimeout);
        } else if bytes > 0 {
            self.start_ack_wait(now, timers);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    #[test]
    fn nothing_is_kept_of_the_memory_of_messages_that_are_acknowledged() {
        let config = StatefulConfig { buffer_bytes: 1 << 20, ..StatefulConfig::default() };
        let (mut stateful, mut timers) = (Stateful::new(&config), TimerTable::default());
        for _ in 0..1000 {
            stateful.record(encode::ping(Protocol::Json));
        }
        stateful.handle_ack(now(), 999, &mut timers).unwrap();
        assert_eq!(stateful.kept.len(), 1);
        stateful.handle_ack(now(), 1000, &mut timers).unwrap();
        assert!(stateful.kept.capacity() <= KEPT_CAPACITY);
    }
}
