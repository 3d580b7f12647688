//! How much one poll of a connection's task may do. A busy connection then yields, so that the other tasks of the
//! worker get their turn: those that write what its calls have sent above all.

use std::time::Duration;

use tokio::task::coop;
use tokio::time::Instant;

use super::wake_batch;

/// Calls in one poll: as many as one write carries well, and few beside what a mailbox holds.
const CALLS: u32 = 64;

/// Messages, calls included, after which the time is looked at: a look costs about as much as one ping.
const MESSAGES_PER_LOOK: u32 = 16;

/// Bytes received in one poll, past which it reads on no more: about what is received at once. Messages that are no calls
/// are cheap, and would otherwise fill the whole time of each poll.
const BYTES: usize = 64 * 1024;

/// Time in one poll: enough to send some dozens of messages to a thousand connections each, so that these are one write for
/// each recipient, and little beside what a client notices. A single call may take longer; then it is the last one.
const TIME: Duration = Duration::from_millis(4);

/// What is left of a poll.
#[derive(Debug)]
pub(super) struct Turn {
    /// Known from the first look at the clock on: a poll that only writes needs none.
    began: Option<Instant>,
    calls_left: u32,
    messages_left: u32,
    bytes_left: usize,
}

impl Turn {
    pub(super) fn begin() -> Self {
        Self { began: None, calls_left: CALLS, messages_left: MESSAGES_PER_LOOK, bytes_left: BYTES }
    }

    /// The time of the poll, as exact as [`TIME`].
    pub(super) fn now(&mut self) -> Instant {
        *self.began.get_or_insert_with(Instant::now)
    }

    /// Notes that a message was read.
    pub(super) fn note_message(&mut self) {
        self.messages_left = self.messages_left.saturating_sub(1);
        if self.messages_left == 0 {
            self.look();
        }
    }

    /// Notes that a call was made.
    pub(super) fn note_call(&mut self) {
        self.calls_left = self.calls_left.saturating_sub(1);
        // A mailbox that fills is to be emptied now; and a call that finds no budget left would have to wait.
        if wake_batch::hurries() || !coop::has_budget_remaining() {
            self.calls_left = 0;
        }
    }

    /// Notes that so many bytes were received, once the messages in them are read.
    pub(super) fn note_received(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        if self.bytes_left == 0 {
            self.calls_left = 0;
        }
    }

    /// Looks at the time.
    pub(super) fn look(&mut self) {
        self.messages_left = MESSAGES_PER_LOOK;
        if self.now().elapsed() >= TIME {
            self.calls_left = 0;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.calls_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_over_after_so_many_calls() {
        let mut turn = Turn::begin();
        let calls = (1..).take_while(|_| {
            turn.note_call();
            !turn.is_over()
        });
        assert_eq!(calls.count() + 1, CALLS as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_over_when_its_time_is() {
        let mut turn = Turn::begin();
        turn.now();
        (0..1000).for_each(|_| turn.note_message());
        assert!(!turn.is_over());
        tokio::time::advance(TIME).await;
        (0..MESSAGES_PER_LOOK).for_each(|_| turn.note_message());
        assert!(turn.is_over());
    }
}
