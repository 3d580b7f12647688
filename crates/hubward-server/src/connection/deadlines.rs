//! The deadlines of a connection: one sleep for all of them, and what is done when one has passed.

use std::task::{Context, Poll};
use std::time::Duration;

use hubward_transport::Pipe;
use tokio::time::Instant;

use super::close_reason::CloseReason;
use super::mailbox::Fill;
use super::{ConnectionTask, NEVER};

/// How long a client may take nothing, while its mailbox is full, before it counts as one that does not read. Longer
/// than a client that shares its processors with much else has to wait for its turn; meanwhile the hard limit bounds what
/// is held.
pub(super) const STALL_TIME: Duration = Duration::from_secs(3);

impl ConnectionTask {
    /// Whether a deadline may have passed. It has not where it has moved away since the alarm was set: that costs less
    /// than to move the alarm with each message.
    pub(super) fn is_deadline_due(&self) -> bool {
        self.sleep.is_elapsed()
    }

    /// Whether the token has expired, before anything more is done for it.
    pub(super) fn check_token(&mut self) -> Result<(), CloseReason> {
        match self.expires {
            Some(expires) if expires <= self.turn.now() => Err(CloseReason::TokenExpired),
            _ => Ok(()),
        }
    }

    /// Lets the next write find out what a client has taken, before it is judged by that.
    pub(super) fn expect_progress(&mut self) {
        if let Some(pipe) = self.pipe.as_mut().filter(|_| self.blocked) {
            pipe.expect_progress();
        }
    }

    /// Sets the alarm to the nearest deadline.
    pub(super) fn set_alarm(&mut self) {
        let session = self.session.poll_timeout().map(Instant::from_std);
        let pipe = self.pipe.as_ref().and_then(Pipe::deadline);
        let nearest =
            [session, pipe, self.expires, self.stalls_at(), self.settles_at()].into_iter().flatten().min();
        if let Some(nearest) = nearest.filter(|nearest| *nearest < self.alarm) {
            self.alarm = nearest;
            self.sleep.as_mut().reset(nearest);
        }
    }

    /// Waits for the nearest deadline.
    pub(super) fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.set_alarm();
        self.sleep.as_mut().poll(cx)
    }

    /// Handles the deadlines that have passed. It comes after a round of work: a client whose message has come was not
    /// silent, and one that has read is not blocked.
    pub(super) fn handle_deadlines(&mut self) -> Result<(), CloseReason> {
        let now = Instant::now();
        self.alarm = now + NEVER;
        self.sleep.as_mut().reset(self.alarm);
        if let Some(Err(error)) = self.pipe.as_mut().map(|pipe| pipe.handle_deadline(now)) {
            self.write_failed(error)?;
        }
        self.note_unread(now);
        self.session.handle_timeout(now.into_std())?;
        if self.stalls_at().is_some_and(|at| at <= now) {
            self.set_stalled(true);
        }
        Ok(())
    }

    /// When a client that takes nothing counts as one that does not read: only while its mailbox is full.
    fn stalls_at(&self) -> Option<Instant> {
        let since = self.pipe.as_ref()?.blocked_since().filter(|_| self.stalled_since.is_none())?;
        (self.fill() == Fill::Full).then(|| since + STALL_TIME)
    }

    /// Notes whether the client takes nothing.
    pub(super) fn set_stalled(&mut self, stalled: bool) {
        let since = self.pipe.as_ref().and_then(Pipe::blocked_since);
        self.stalled_since = if stalled { since } else { None };
        if let Some(handle) = &self.handle {
            handle.mailbox.set_stalled(stalled);
        }
    }

    /// How full the mailbox is.
    pub(super) fn fill(&self) -> Fill {
        self.handle.as_ref().map_or(Fill::Room, |handle| handle.mailbox.fill())
    }
}

#[cfg(test)]
mod tests;
