//! When memberships of users have to be read from the store again: because they expire, or because they could not be read
//! or delivered. One deadline for each user and group, whatever renews it, and only while the user has connections here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubward_expiry::Deadlines;
use hubward_types::{GroupName, UserId};
use parking_lot::Mutex;
use tokio::time::Instant;

/// The first pause after a failure, and the longest. All that fails within one pause is tried again at its end.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A membership that is read again.
pub(crate) type Key = (UserId, GroupName);

#[derive(Default)]
pub(crate) struct Expiries {
    /// Shared with the task that waits for them, which must not hold the engine.
    pub(crate) deadlines: Arc<Deadlines<Key>>,
    /// The present pause and its end, while something fails.
    pause: Mutex<Option<(Duration, Instant)>>,
    /// How often reading the groups of all users again has begun.
    readings: AtomicU64,
}

impl Expiries {
    /// Notes a failure. Returns when to try again, and whether it is the first one.
    pub(crate) fn failed(&self) -> (Instant, bool) {
        let (mut pause, now) = (self.pause.lock(), Instant::now());
        let first = pause.is_none();
        let (length, end) = match *pause {
            None => (FIRST_PAUSE, now + FIRST_PAUSE),
            Some((length, end)) if now < end => (length, end),
            Some((length, _)) => {
                let longer = (length * 2).min(LONGEST_PAUSE);
                (longer, now + longer)
            }
        };
        *pause = Some((length, end));
        (end, first)
    }

    /// Begins to read the groups of all users again; returns the number of that reading.
    pub(crate) fn begin_reading(&self) -> u64 {
        self.readings.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no later reading has begun, which makes this one needless.
    pub(crate) fn is_last_reading(&self, number: u64) -> bool {
        self.readings.load(Ordering::Relaxed) == number
    }

    /// Notes that nothing fails any more.
    pub(crate) fn succeeded(&self) {
        self.pause.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_each_attempt_and_not_with_each_failure_and_begin_anew_after_a_success() {
        let (expiries, start) = (Expiries::default(), Instant::now());
        assert_eq!(expiries.failed(), (start + FIRST_PAUSE, true));
        assert_eq!(expiries.failed(), (start + FIRST_PAUSE, false));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let (end, _) = expiries.failed();
            tokio::time::sleep_until(end).await;
            pauses.push(expiries.failed().0.duration_since(end).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
        expiries.succeeded();
        assert_eq!(expiries.failed(), (Instant::now() + FIRST_PAUSE, true));
    }
}
