//! The deadlines of writing, of a pipe's and of an HTTP response's: of a write that makes no progress or too little, or of
//! a close that the peer does not answer. A pipe that closes writes no more, so the two never run at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::PipeError;

/// A timeout without end, such as `Duration::MAX`: no clock overflows by it.
pub(crate) const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How much of a response is given to the HTTP server at once while more waits: little, so that what it takes is known as
/// the client takes it, which at the least rate has to be seen within a write timeout.
pub(crate) const PIECE_BYTES: usize = 8 << 10;

/// What a pipe waits for its peer to do, and until when.
#[derive(Default)]
pub(crate) enum Deadline {
    /// Nothing.
    #[default]
    Unset,
    /// Taking what is being written.
    Write(BlockedWrite),
    /// Closing as well.
    Close(Instant),
}

/// A write that did not take all there was.
pub(crate) struct BlockedWrite {
    /// Since when it makes no progress.
    since: Instant,
    /// Whether it has made some after `since`; the next time that it is blocked is the new `since`, so that progress
    /// costs no look at the clock.
    progressed: bool,
    /// When it has to be done: later with each byte, at the least rate.
    done_by: Instant,
}

/// How fast a peer has to take what is written.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// How long a write may make no progress, and what the least rate leaves out.
    pub(crate) timeout: Duration,
    /// Bytes per second; 0 is no limit.
    pub(crate) minimum_rate: u32,
}

impl Deadline {
    /// Starts the time of a blocked write, unless it runs already.
    pub(crate) fn write_blocked(&mut self, pace: Pace) {
        match self {
            Self::Unset => {
                let since = Instant::now();
                let limit = if pace.minimum_rate == 0 { NEVER } else { pace.timeout.min(NEVER) };
                *self = Self::Write(BlockedWrite { since, progressed: false, done_by: since + limit });
            }
            Self::Write(write) => {
                if std::mem::take(&mut write.progressed) {
                    write.since = Instant::now();
                }
            }
            Self::Close(_) => {}
        }
    }

    /// Starts the time of a blocked write anew: this much of it was taken.
    pub(crate) fn write_progressed(&mut self, bytes: usize, pace: Pace) {
        if let Self::Write(write) = self {
            let micros = (bytes as u64).saturating_mul(1_000_000).checked_div(u64::from(pace.minimum_rate));
            let more = Duration::from_micros(micros.unwrap_or_default()).min(NEVER);
            write.done_by = write.done_by.checked_add(more).unwrap_or(write.done_by);
            write.progressed = true;
        }
    }

    /// Ends the time of a blocked write: all of it was taken.
    pub(crate) fn write_done(&mut self) {
        if matches!(self, Self::Write(_)) {
            *self = Self::Unset;
        }
    }

    /// Returns since when a blocked write makes no progress.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        match self {
            Self::Write(write) => Some(write.since),
            Self::Unset | Self::Close(_) => None,
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

    pub(crate) fn at(&self, pace: Pace) -> Option<Instant> {
        match self {
            Self::Unset => None,
            Self::Write(write) => Some(write.done_by.min(write.since + pace.timeout.min(NEVER))),
            Self::Close(at) => Some(*at),
        }
    }

    /// Fails once the deadline has passed, with the timeout that it stands for.
    pub(crate) fn check(&self, now: Instant, pace: Pace) -> Result<(), PipeError> {
        match self {
            Self::Write(_) if self.at(pace).is_some_and(|at| now >= at) => Err(PipeError::SendTimeout),
            Self::Close(at) if now >= *at => Err(PipeError::CloseTimeout),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);
    const PACE: Pace = Pace { timeout: TIMEOUT, minimum_rate: 0 };

    #[tokio::test(start_paused = true)]
    async fn a_blocked_write_has_its_time_from_its_first_moment_and_progress_starts_it_anew() {
        let (mut deadline, began) = (Deadline::default(), Instant::now());
        deadline.write_blocked(PACE);
        tokio::time::advance(TIMEOUT / 2).await;
        deadline.write_blocked(PACE);
        assert_eq!((deadline.blocked_since(), deadline.at(PACE)), (Some(began), Some(began + TIMEOUT)));
        assert_eq!(deadline.check(began + TIMEOUT / 2, PACE), Ok(()));
        assert_eq!(deadline.check(began + TIMEOUT, PACE), Err(PipeError::SendTimeout));
        deadline.write_progressed(1, PACE);
        deadline.write_blocked(PACE);
        assert_eq!(deadline.blocked_since(), Some(began + TIMEOUT / 2));
        assert_eq!(deadline.check(began + TIMEOUT, PACE), Ok(()));
        deadline.write_done();
        assert_eq!((deadline.blocked_since(), deadline.at(PACE)), (None, None));
    }

    /// Takes so many bytes each half of the timeout, for a minute at most; returns how long that is allowed.
    async fn allowed(bytes: usize, minimum_rate: u32) -> Duration {
        let (mut deadline, began) = (Deadline::default(), Instant::now());
        let pace = Pace { minimum_rate, ..PACE };
        while began.elapsed() < 60 * TIMEOUT && deadline.check(Instant::now(), pace).is_ok() {
            deadline.write_progressed(bytes, pace);
            deadline.write_blocked(pace);
            tokio::time::advance(TIMEOUT / 2).await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_of_progress_does_not_keep_a_write_for_ever() {
        assert!(allowed(1, 100).await < 2 * TIMEOUT);
        assert!(allowed(40, 100).await <= 6 * TIMEOUT);
        assert_eq!(allowed(51, 100).await, 60 * TIMEOUT);
        assert_eq!(allowed(1, 0).await, 60 * TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_a_timeout_waits_for_ever() {
        let pace = Pace { timeout: Duration::MAX, minimum_rate: 1 };
        let mut deadline = Deadline::default();
        deadline.write_blocked(pace);
        deadline.write_progressed(usize::MAX, pace);
        deadline.write_blocked(pace);
        assert_eq!(deadline.check(Instant::now() + NEVER / 2, pace), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_has_its_own_time_and_no_write_changes_it() {
        let (mut deadline, began) = (Deadline::default(), Instant::now());
        deadline.write_blocked(PACE);
        assert!(deadline.begin_close(TIMEOUT));
        tokio::time::advance(TIMEOUT / 2).await;
        assert!(!deadline.begin_close(TIMEOUT), "it has begun");
        deadline.write_progressed(1, PACE);
        deadline.write_done();
        deadline.write_blocked(PACE);
        assert!(deadline.is_closing());
        assert_eq!(deadline.at(PACE), Some(began + TIMEOUT));
        assert_eq!(deadline.check(began + TIMEOUT, PACE), Err(PipeError::CloseTimeout));
    }
}
