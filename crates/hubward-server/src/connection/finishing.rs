//! A connection of a node that drains: it begins no more calls, and closes when those that run have ended.

use super::ConnectionTask;
use super::close_reason::CloseReason;
use crate::invocation::panics;

/// What a connection waits for before it closes because its node drains.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Finishing {
    /// Nothing: it does not close.
    No,
    /// All its calls.
    Calls,
    /// Its calls, but for those with streams, which may never end.
    CallsWithoutStreams,
}

impl ConnectionTask {
    /// Notes what is waited for.
    pub(super) fn finish(&mut self, finishing: Finishing) {
        self.finishing = self.finishing.max(finishing);
        // It has not begun. Its arguments are values of the hub's own types.
        let waiting = self.waiting_call.take();
        if let Err(panic) = panics::catch(|| drop(waiting)) {
            self.report_panic(&panic);
        }
    }

    /// Closes the connection where what it waits for has ended. What the calls have sent is in the mailbox by then, and is
    /// written before the Close message.
    pub(super) fn check_finished(&mut self) -> Result<(), CloseReason> {
        if self.finishing == Finishing::No || self.connecting.is_some() || !self.calls.permits.is_idle() {
            return Ok(());
        }
        let streams = self.handle.as_ref().map_or(0, |handle| handle.await_streams());
        if streams > 0 && self.finishing == Finishing::Calls {
            return Ok(());
        }
        Err(CloseReason::Shutdown)
    }
}

#[cfg(test)]
mod tests;
