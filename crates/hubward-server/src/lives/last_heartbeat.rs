//! When the node last sent a heartbeat, whatever came of it. One that has sent none for a whole lease was paused: the others
//! may have taken it for dead, and have asked it nothing since.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// No heartbeat was due yet.
const NONE: u64 = u64::MAX;

pub(crate) struct LastHeartbeat {
    origin: Instant,
    /// Milliseconds after `origin`.
    at: AtomicU64,
}

impl LastHeartbeat {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), at: AtomicU64::new(NONE) }
    }

    /// Notes a heartbeat that was begun at this time and has come to its end.
    pub(crate) fn note(&self, begun: Instant) {
        let at = begun.saturating_duration_since(self.origin).as_millis();
        self.at.store(u64::try_from(at).unwrap_or(NONE), Ordering::Release);
    }

    /// Whether none was sent for so long, where any was.
    pub(crate) fn is_older_than(&self, lease: Duration) -> bool {
        let at = self.at.load(Ordering::Acquire);
        let since = || self.origin.elapsed().saturating_sub(Duration::from_millis(at));
        at != NONE && since() > lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_is_old_after_a_lease_and_none_is_before_the_first() {
        let (last, lease) = (LastHeartbeat::new(), Duration::from_secs(15));
        tokio::time::advance(lease * 2).await;
        assert!(!last.is_older_than(lease));
        last.note(Instant::now());
        tokio::time::advance(lease).await;
        assert!(!last.is_older_than(lease));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(last.is_older_than(lease));
        last.note(Instant::now());
        assert!(!last.is_older_than(lease));
        assert!(!last.is_older_than(Duration::MAX));
    }
}
