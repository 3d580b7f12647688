//! The one deadline of a pipe that pushes its bytes: of a write that makes no progress, or of a close that the peer
//! does not answer. A pipe that closes writes no more, so the two never run at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::PipeError;

/// A timeout without end, such as `Duration::MAX`: no clock overflows by it.
pub(crate) const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What a pipe waits for its peer to do, and until when.
#[derive(Default)]
pub(crate) enum Deadline {
    /// Nothing.
    #[default]
    Unset,
    /// Taking some of what is being written.
    Write(Instant),
    /// Closing as well.
    Close(Instant),
}

impl Deadline {
    /// Starts the time of a blocked write, unless it runs already.
    pub(crate) fn write_blocked(&mut self, timeout: Duration) {
        if matches!(self, Self::Unset) {
            *self = Self::Write(Instant::now() + timeout.min(NEVER));
        }
    }

    /// Ends the time of a blocked write: some of it was taken.
    pub(crate) fn write_progressed(&mut self) {
        if matches!(self, Self::Write(_)) {
            *self = Self::Unset;
        }
    }

    /// Starts the time of closing. Returns false where it runs already.
    pub(crate) fn begin_close(&mut self, timeout: Duration) -> bool {
        let begins = !self.is_closing();
        if begins {
            *self = Self::Close(Instant::now() + timeout.min(NEVER));
        }
        begins
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self, Self::Close(_))
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        match *self {
            Self::Unset => None,
            Self::Write(at) | Self::Close(at) => Some(at),
        }
    }

    /// Fails once the deadline has passed, with the timeout that it stands for.
    pub(crate) fn check(&self, now: Instant) -> Result<(), PipeError> {
        match *self {
            Self::Write(at) if now >= at => Err(PipeError::SendTimeout),
            Self::Close(at) if now >= at => Err(PipeError::CloseTimeout),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_has_its_time_from_its_first_moment_and_progress_ends_it() {
        let (mut deadline, began) = (Deadline::default(), Instant::now());
        deadline.write_blocked(TIMEOUT);
        tokio::time::advance(TIMEOUT / 2).await;
        deadline.write_blocked(TIMEOUT);
        assert_eq!(deadline.at(), Some(began + TIMEOUT));
        assert_eq!(deadline.check(began + TIMEOUT / 2), Ok(()));
        assert_eq!(deadline.check(began + TIMEOUT), Err(PipeError::SendTimeout));
        deadline.write_progressed();
        assert_eq!(deadline.at(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_has_its_own_time_and_no_write_changes_it() {
        let (mut deadline, began) = (Deadline::default(), Instant::now());
        deadline.write_blocked(TIMEOUT / 2);
        assert!(deadline.begin_close(TIMEOUT));
        tokio::time::advance(TIMEOUT / 2).await;
        assert!(!deadline.begin_close(TIMEOUT), "it has begun");
        deadline.write_progressed();
        deadline.write_blocked(TIMEOUT);
        assert!(deadline.is_closing());
        assert_eq!(deadline.at(), Some(began + TIMEOUT));
        assert_eq!(deadline.check(began + TIMEOUT), Err(PipeError::CloseTimeout));
    }
}
