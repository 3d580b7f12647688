//! How long to wait before trying again: longer each time, and not as long as everybody else.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A server that restarts is back soon, so the first waits are short.
const FIRST: Duration = Duration::from_millis(50);
/// One that is away for long is found again within this time.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a connection has to last for the next one to be tried at once. A server that closes each one soon is not asked
/// for many.
const STEADY: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Returns how long to wait after connections that worked for so long.
    pub(crate) fn next_wait_after(&mut self, lasted: Duration) -> Duration {
        if lasted >= STEADY {
            *self = Self::default();
        }
        let wait = self.next_wait();
        if wait <= FIRST { Duration::ZERO } else { wait }
    }

    /// Returns how long to wait: twice as long as the last time, of which between half and all, so that the nodes of a
    /// cluster do not come back at the same moment.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.attempts.min(16)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let jitter = RandomState::new().hash_one(self.attempts) % 512;
        wait / 2 + wait * u32::try_from(jitter).unwrap_or(0) / 1_024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2, "{:?}", waits[0]);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[20..].iter().all(|wait| *wait >= LONGEST / 2));
        assert!(waits[20..].iter().any(|wait| *wait != waits[20]));
    }

    #[test]
    fn the_next_connection_is_opened_at_once_only_after_one_that_was_steady() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next_wait_after(Duration::ZERO), Duration::ZERO);
        let waits: Vec<_> = (0..8).map(|_| backoff.next_wait_after(Duration::from_secs(9))).collect();
        assert!(waits[0] >= FIRST && waits[7] >= LONGEST / 2, "{waits:?}");
        assert_eq!(backoff.next_wait_after(STEADY), Duration::ZERO);
    }
}
