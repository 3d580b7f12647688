//! Those that are absent: connections without a transport, which wait for their client to poll again or to resume. They
//! have no socket, so that no limit of sockets bounds how many one client opens and leaves. Beyond a number the longest
//! absent are taken for lost. Those do not count that had a transport for long enough: of them there are no more than had
//! sockets for so long. And nobody is lost who has only just left, however many do, as all that poll do after a broadcast.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::options::TransportOptions;

/// Entries from which on it is worth looking for those that have come back.
const FEW: usize = 1024;

/// Which part of its `disconnect_timeout` a client has in any case.
const SAFE_PART: u32 = 8;

/// The absent, from the longest absent on: each is a `T` that somebody owns until it comes back.
pub struct Absent<T> {
    most: usize,
    enough: Duration,
    entries: Mutex<Entries<T>>,
}

struct Entries<T> {
    /// With some that have come back since: to take each out at once would be a search each time.
    queue: VecDeque<(Instant, Weak<T>)>,
    /// How many entries there may be before those are taken out.
    checked_at: usize,
}

impl<T> Absent<T> {
    /// Makes an empty list, on which about as many may be as the options say: an eighth more.
    pub fn new(options: &TransportOptions) -> Self {
        let (most, enough) = (options.absent_connections, options.disconnect_timeout);
        Self {
            most,
            enough,
            entries: Mutex::new(Entries { queue: VecDeque::new(), checked_at: FEW.min(most) }),
        }
    }

    /// Whether one counts that had a transport for so long.
    pub fn counts(&self, present: Duration) -> bool {
        present < self.enough
    }

    /// Adds one, and returns those that are too many. It is absent until its last owner drops it.
    pub fn add(&self, one: &Arc<T>) -> Vec<Arc<T>> {
        let mut entries = self.entries.lock();
        let Entries { queue, checked_at } = &mut *entries;
        let now = Instant::now();
        queue.push_back((now, Arc::downgrade(one)));
        if queue.len() <= *checked_at {
            return Vec::new();
        }
        queue.retain(|(_, one)| one.strong_count() > 0);
        let too_many = queue.len().saturating_sub(self.most);
        let is_safe = |since: Instant| now.duration_since(since) < self.enough / SAFE_PART;
        let lost = queue.iter().take(too_many).take_while(|(since, _)| !is_safe(*since)).count();
        let lost = queue.drain(..lost).filter_map(|(_, one)| one.upgrade()).collect();
        *checked_at = (queue.len() + queue.len() / 8).max(FEW.min(self.most));
        queue.shrink_to(*checked_at);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent<T>(most: usize) -> Absent<T> {
        Absent::new(&TransportOptions { absent_connections: most, ..TransportOptions::default() })
    }

    fn safe_time() -> Duration {
        TransportOptions::default().disconnect_timeout / SAFE_PART
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_longest_absent_are_lost_and_none_that_came_back_or_has_just_left() {
        let absent = absent(10);
        let mut owned = Vec::new();
        let mut lost = Vec::new();
        for one in 0..100_u32 {
            if one == 60 {
                assert!(lost.is_empty(), "all of them have just left");
                tokio::time::advance(safe_time()).await;
            }
            let one = Arc::new(one);
            lost.extend(absent.add(&one).iter().map(|lost| **lost));
            if !one.is_multiple_of(2) {
                owned.push(one);
            }
        }
        assert_eq!(lost, (1..60).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn those_that_come_back_are_forgotten_however_many_there_are() {
        let absent = absent(usize::MAX);
        let mut owned = VecDeque::new();
        for _ in 0..100 * FEW {
            let one = Arc::new(());
            assert!(absent.add(&one).is_empty());
            owned.push_back(one);
            // All but ten have come back.
            owned.drain(..owned.len().saturating_sub(10));
        }
        let entries = absent.entries.lock();
        assert!(entries.queue.len() <= FEW && entries.queue.capacity() <= 4 * FEW);
    }
}
