//! When the nodes that live are listed again, and how often others can cause calls of the registry. Whoever can publish can
//! say that nodes come and go, as often as it likes.

use std::time::Duration;

use tokio::time::Instant;

/// How long after the last one a call of the registry is made that others have caused.
pub(crate) const APART: Duration = Duration::from_millis(100);
/// How many ends of nodes are looked at one by one in a second. More are found by one list.
const ENDS_PER_SECOND: u32 = 20;

#[derive(Default)]
pub(super) struct Listing {
    due: Option<Instant>,
    listed: Option<Instant>,
    /// The second in which ends of nodes are counted, and how many there were.
    counting_since: Option<Instant>,
    ends: u32,
}

impl Listing {
    /// Has the nodes listed after this time, or sooner.
    pub(super) fn within(&mut self, wait: Duration) {
        let now = Instant::now();
        let earliest = self.listed.map_or(now, |listed| listed + APART);
        // A wait that does not end is none.
        let Some(at) = now.checked_add(wait) else { return };
        let at = at.max(earliest);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Waits until it is due.
    pub(super) async fn is_due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Notes that the nodes are listed now.
    pub(super) fn begin(&mut self) {
        self.due = None;
        self.listed = Some(Instant::now());
    }

    /// Whether the end of a node is looked at on its own. Otherwise the nodes are to be listed.
    pub(super) fn allows_end(&mut self) -> bool {
        if self.counting_since.is_none_or(|since| since.elapsed() >= Duration::from_secs(1)) {
            self.counting_since = Some(Instant::now());
            self.ends = 0;
        }
        self.ends = self.ends.saturating_add(1);
        self.ends <= ENDS_PER_SECOND
    }
}

/// Returns how long to wait for the next call that others have caused, after the last one.
pub(super) fn apart(last: Option<Instant>) -> Duration {
    last.map_or(Duration::ZERO, |last| APART.saturating_sub(last.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits(listing: &Listing) -> Duration {
        let now = Instant::now();
        listing.is_due().await;
        now.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_list_is_due_at_once_and_the_next_one_a_moment_later() {
        let mut listing = Listing::default();
        listing.within(Duration::from_secs(5));
        listing.within(Duration::ZERO);
        listing.within(Duration::from_secs(5));
        listing.within(Duration::MAX);
        assert_eq!(waits(&listing).await, Duration::ZERO);
        listing.begin();
        listing.within(Duration::ZERO);
        assert_eq!(waits(&listing).await, APART);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_ends_in_a_second_are_looked_at() {
        let mut listing = Listing::default();
        for _ in 0..2 {
            let allowed = (0..1_000).filter(|_| listing.allows_end()).count();
            assert_eq!(allowed, ENDS_PER_SECOND as usize);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
