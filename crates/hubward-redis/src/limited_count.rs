//! A count with a log line now and then, so that nobody can fill the log.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How often a line is logged, at most.
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct LimitedCount(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    total: u64,
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl LimitedCount {
    /// Adds to the count; returns how many a line is to name, if one is due.
    pub(crate) fn add(&self, number: u64) -> Option<u64> {
        if number == 0 {
            return None;
        }
        let mut counted = self.0.lock();
        counted.total += number;
        counted.unlogged += number;
        if counted.logged_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        counted.logged_at = Some(Instant::now());
        Some(std::mem::take(&mut counted.unlogged))
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.lock().total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_is_due_at_once_and_then_once_in_an_interval_with_all_since() {
        let count = LimitedCount::default();
        assert_eq!([count.add(0), count.add(2), count.add(3), count.add(4)], [None, Some(2), None, None]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(count.add(1), Some(8));
        assert_eq!(count.total(), 10);
    }
}
