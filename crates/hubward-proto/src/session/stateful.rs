//! What lets a session outlive its transport. Each side numbers the counted messages that it sends from 1, keeps them
//! until the peer has acknowledged them, and drops what it has had before. Transports and their loss are the
//! session's matter.

use std::{collections::VecDeque, time::Instant};

use super::{
    SessionError, StatefulConfig,
    timers::{earlier, is_due},
};
use crate::{Frame, Message, Protocol, ProtocolError, encode};

#[derive(Debug)]
pub(super) struct Stateful {
    buffer_bytes: usize,
    ack_interval: std::time::Duration,

    /// The id of the latest message sent.
    sent: u64,
    /// The id of the latest message that the peer has acknowledged.
    acknowledged: u64,
    /// The messages in between.
    kept: VecDeque<Frame>,
    kept_bytes: usize,
    fullness: Fullness,
    /// Sequence is still to be polled.
    sequence_due: bool,
    /// The messages that are still to be sent again: the id of the next, and the latest when the transport came.
    replay_next: u64,
    replay_last: u64,

    /// The id of the latest message received.
    received: u64,
    /// The id of the message that comes next on this transport.
    expected: u64,
    /// Whether the peer's Sequence must come before anything counts.
    awaits_sequence: bool,
    ack_deadline: Option<Instant>,
    ack_due: bool,
}

/// How much is kept, and since when too much.
#[derive(Clone, Copy, Debug)]
enum Fullness {
    Room,
    /// Full since a moment that is not yet known, because recording is not told the time.
    Full,
    FullUntil(Instant),
}

impl Stateful {
    pub(super) fn new(config: &StatefulConfig) -> Self {
        Self {
            buffer_bytes: config.buffer_bytes,
            ack_interval: config.ack_interval,
            sent: 0,
            acknowledged: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            fullness: Fullness::Room,
            sequence_due: false,
            replay_next: 1,
            replay_last: 0,
            received: 0,
            expected: 1,
            awaits_sequence: false,
            ack_deadline: None,
            ack_due: false,
        }
    }

    pub(super) fn record(&mut self, frame: Frame) {
        self.sent += 1;
        self.kept_bytes += frame.message().len();
        self.kept.push_back(frame);
        if matches!(self.fullness, Fullness::Room) && self.kept_bytes >= self.buffer_bytes {
            self.fullness = Fullness::Full;
        }
    }

    pub(super) fn can_send(&self) -> bool {
        matches!(self.fullness, Fullness::Room) && !self.sequence_due && self.replay_next > self.replay_last
    }

    pub(super) fn awaits_sequence(&self) -> bool {
        self.awaits_sequence
    }

    /// Takes Sequence, and then what is to be sent again.
    pub(super) fn poll_replay(&mut self, protocol: Protocol) -> Option<Frame> {
        if std::mem::take(&mut self.sequence_due) {
            return Some(encode::sequence(protocol, self.acknowledged + 1));
        }
        if self.replay_next > self.replay_last {
            return None;
        }
        // Nothing below `replay_next` is kept that has been acknowledged since: `acknowledge` moves it along.
        let index = usize::try_from(self.replay_next - self.acknowledged - 1).ok()?;
        self.replay_next += 1;
        self.kept.get(index).cloned()
    }

    /// Takes the id to acknowledge, if it is time.
    pub(super) fn poll_ack(&mut self) -> Option<u64> {
        std::mem::take(&mut self.ack_due).then_some(self.received)
    }

    /// Tells whether a message is new and the owner's matter.
    pub(super) fn admit(&mut self, now: Instant, message: &Message<'_>) -> Result<bool, ProtocolError> {
        match *message {
            Message::Sequence { sequence_id } => self.continue_at(sequence_id).map(|()| false),
            Message::Ack { sequence_id } => self.acknowledge(sequence_id).map(|()| false),
            _ if self.awaits_sequence => Ok(false),
            Message::Ping | Message::Close(_) => Ok(true),
            Message::Invocation(_)
            | Message::StreamItem(_)
            | Message::Completion(_)
            | Message::StreamInvocation(_)
            | Message::CancelInvocation(_) => Ok(self.count(now)),
        }
    }

    pub(super) fn lose_transport(&mut self) {
        self.replay_last = 0;
        self.sequence_due = false;
        self.ack_due = false;
        self.ack_deadline = None;
    }

    pub(super) fn take_transport(&mut self, now: Instant, config: &StatefulConfig) {
        self.awaits_sequence = true;
        self.sequence_due = true;
        self.replay_next = self.acknowledged + 1;
        self.replay_last = self.sent;
        // Nobody could acknowledge anything meanwhile.
        if matches!(self.fullness, Fullness::FullUntil(_)) {
            self.fullness = Fullness::Full;
        }
        // The latest Ack may have been lost with the old transport.
        if self.received > 0 {
            self.ack_deadline = now.checked_add(config.ack_interval);
        }
    }

    /// Returns the nearest deadline; `past` is a moment that has passed.
    pub(super) fn deadline(&self, past: Instant) -> Option<Instant> {
        let full = match self.fullness {
            Fullness::Room => None,
            Fullness::Full => Some(past),
            Fullness::FullUntil(deadline) => Some(deadline),
        };
        earlier(self.ack_deadline, full)
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        config: &StatefulConfig,
    ) -> Result<(), SessionError> {
        if is_due(self.ack_deadline, now) {
            self.ack_deadline = None;
            self.ack_due = true;
        }
        match self.fullness {
            Fullness::Full => {
                // A timeout beyond what the clock can say is none.
                self.fullness =
                    now.checked_add(config.ack_timeout).map_or(Fullness::Room, Fullness::FullUntil);
                Ok(())
            }
            Fullness::FullUntil(deadline) if deadline <= now => {
                self.fullness = Fullness::Full;
                Err(SessionError::AckTimeout)
            }
            Fullness::Room | Fullness::FullUntil(_) => Ok(()),
        }
    }

    fn continue_at(&mut self, sequence_id: u64) -> Result<(), ProtocolError> {
        if !self.awaits_sequence || sequence_id == 0 {
            return Err(ProtocolError::UnexpectedSequence);
        }
        if sequence_id > self.received + 1 {
            return Err(ProtocolError::SequenceBeyondReceived);
        }
        self.awaits_sequence = false;
        self.expected = sequence_id;
        Ok(())
    }

    fn acknowledge(&mut self, sequence_id: u64) -> Result<(), ProtocolError> {
        if sequence_id > self.sent {
            return Err(ProtocolError::AckBeyondSent);
        }
        while self.acknowledged < sequence_id {
            self.acknowledged += 1;
            let len = self.kept.pop_front().map_or(0, |frame| frame.message().len());
            self.kept_bytes = self.kept_bytes.saturating_sub(len);
        }
        self.replay_next = self.replay_next.max(self.acknowledged + 1);
        if self.kept_bytes < self.buffer_bytes {
            self.fullness = Fullness::Room;
        }
        Ok(())
    }

    /// Counts a message, and tells whether it is new. A duplicate is acknowledged too: that it came says that the
    /// earlier Ack did not.
    fn count(&mut self, now: Instant) -> bool {
        let id = self.expected;
        self.expected += 1;
        if self.ack_deadline.is_none() {
            self.ack_deadline = now.checked_add(self.ack_interval);
        }
        let new = id > self.received;
        self.received = self.received.max(id);
        new
    }
}
