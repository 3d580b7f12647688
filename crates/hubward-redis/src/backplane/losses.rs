//! Counts of messages that were lost or ignored, with a log line now and then, so that nobody can fill the log.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::RedisFailure;

/// How often a line of one kind is logged, at most.
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Losses {
    unreadable: Count,
    unsent: Count,
}

#[derive(Default)]
struct Count(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    total: u64,
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl Losses {
    /// Notes messages that were not ones of this version, and were ignored.
    pub(super) fn note_unreadable(&self, messages: u64) {
        if let Some(messages) = self.unreadable.add(messages) {
            tracing::warn!(
                messages,
                "Messages in Redis are not ones of this version of Hubward, and are ignored. Another program, or another \
                 version, publishes under the same prefix."
            );
        }
    }

    /// Notes messages that may not have been sent.
    pub(super) fn note_unsent(&self, messages: u64, failure: &RedisFailure) {
        if let Some(messages) = self.unsent.add(messages) {
            tracing::warn!(messages, error = %failure, "Messages for other nodes may not have been sent.");
        }
    }

    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable.0.lock().total
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent.0.lock().total
    }
}

impl Count {
    /// Adds to the count; returns how many a line is to name, if one is due.
    fn add(&self, messages: u64) -> Option<u64> {
        if messages == 0 {
            return None;
        }
        let mut counted = self.0.lock();
        counted.total += messages;
        counted.unlogged += messages;
        if counted.logged_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        counted.logged_at = Some(Instant::now());
        Some(std::mem::take(&mut counted.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_is_due_at_once_and_then_once_in_an_interval_with_all_since() {
        let count = Count::default();
        assert_eq!([count.add(0), count.add(2), count.add(3), count.add(4)], [None, Some(2), None, None]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(count.add(1), Some(8));
        assert_eq!(count.0.lock().total, 10);
    }
}
