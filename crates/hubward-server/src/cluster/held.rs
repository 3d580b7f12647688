//! Messages of other nodes that wait, in the order in which they came, until it is known whom they may be delivered to.
//! Bounded; of more, the newest are missed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use hubward_backplane::{Frames, Topic};
use hubward_types::{ConnectionId, TraceContext};
use parking_lot::Mutex;

use crate::delivery::message_id::Source;

/// How many messages wait at most, and of how many bytes: what comes in a second or two.
const HELD_MESSAGES: usize = 16 * 1024;
const HELD_BYTES: usize = 8 * 1024 * 1024;

/// A message of another node.
pub(crate) struct ReceivedMessage {
    pub(crate) recipients: ReceivedFor,
    pub(crate) frames: Frames,
    pub(crate) trace: Option<TraceContext>,
    /// The size of its envelope, whose memory the frames share.
    pub(crate) envelope_bytes: usize,
}

/// Whom a message of another node is for.
pub(crate) enum ReceivedFor {
    /// The connections of a topic but these, and which message of it this is.
    Topic(Topic, Vec<ConnectionId>, Source),
    /// These connections.
    Connections(Vec<ConnectionId>),
}

#[derive(Default)]
pub(crate) struct HeldMessages {
    /// Whether messages wait or are being delivered: what each message looks at.
    holding: AtomicBool,
    state: Mutex<HeldState>,
}

#[derive(Default)]
struct HeldState {
    waiting: VecDeque<ReceivedMessage>,
    bytes: usize,
    missed: u64,
    /// Whether somebody takes them.
    taking: bool,
}

impl HeldMessages {
    /// Whether messages wait, so that the next one has to.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Acquire)
    }

    /// Puts in a message behind those that wait.
    pub(crate) fn push(&self, message: ReceivedMessage) {
        let mut state = self.state.lock();
        self.holding.store(true, Ordering::Release);
        let bytes = state.bytes + message.envelope_bytes;
        if state.waiting.len() >= HELD_MESSAGES || bytes > HELD_BYTES {
            state.missed += 1;
            return;
        }
        state.bytes = bytes;
        state.waiting.push_back(message);
    }

    /// Begins to take what waits; false where nothing does, or somebody takes it already.
    pub(crate) fn begin_taking(&self) -> bool {
        let mut state = self.state.lock();
        self.is_holding() && !std::mem::replace(&mut state.taking, true)
    }

    /// Takes what waits, to be delivered before the next call; the number of those that were missed where none is left.
    pub(crate) fn take(&self) -> Result<VecDeque<ReceivedMessage>, u64> {
        let mut state = self.state.lock();
        if state.waiting.is_empty() {
            let missed = state.missed;
            *state = HeldState::default();
            self.holding.store(false, Ordering::Release);
            return Err(missed);
        }
        state.bytes = 0;
        Ok(std::mem::take(&mut state.waiting))
    }

    /// Stops taking, though some wait.
    pub(crate) fn stop_taking(&self) {
        self.state.lock().taking = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(envelope_bytes: usize) -> ReceivedMessage {
        let recipients = ReceivedFor::Connections(Vec::new());
        ReceivedMessage { recipients, frames: Frames::default(), trace: None, envelope_bytes }
    }

    #[test]
    fn what_waits_is_taken_by_one_and_what_comes_meanwhile_waits_behind_it() {
        let held = HeldMessages::default();
        assert!(!held.is_holding() && !held.begin_taking());
        held.push(message(1));
        assert!(held.begin_taking() && !held.begin_taking());
        assert_eq!(held.take().map(|taken| taken.len()), Ok(1));
        held.push(message(2));
        assert!(held.is_holding());
        assert_eq!(held.take().map(|taken| taken.len()), Ok(1));
        assert!(held.take().is_err_and(|missed| missed == 0) && !held.is_holding());
        held.push(message(3));
        assert!(held.begin_taking());
        held.stop_taking();
        assert!(held.begin_taking());
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_bytes_and_the_rest_is_counted() {
        let held = HeldMessages::default();
        for _ in 0..HELD_MESSAGES + 3 {
            held.push(message(1));
        }
        assert_eq!(held.take().map(|taken| taken.len()), Ok(HELD_MESSAGES));
        assert!(held.take().is_err_and(|missed| missed == 3));
        for _ in 0..4 {
            held.push(message(HELD_BYTES / 2));
        }
        assert_eq!(held.take().map(|taken| taken.len()), Ok(2));
        assert!(held.take().is_err_and(|missed| missed == 2));
    }
}
