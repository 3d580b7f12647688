//! Deadlines that several tasks set and one waits for.

use std::hash::Hash;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::index::DeadlineIndex;

/// A shared [`DeadlineIndex`], with one sleep for all of its deadlines. It holds nothing but the keys, so that a task
/// which waits for [`due`](Self::due) keeps nobody alive.
#[derive(Debug)]
pub struct Deadlines<K> {
    state: Mutex<State<K>>,
    nearer: Notify,
}

#[derive(Debug)]
struct State<K> {
    index: DeadlineIndex<K>,
    /// Whether somebody waits for what is due.
    awaited: bool,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        let state = State { index: DeadlineIndex::default(), awaited: false };
        Self { state: Mutex::new(state), nearer: Notify::new() }
    }
}

impl<K: Hash + Eq> Deadlines<K> {
    /// Sets the deadline of a key, instead of the one that it had. Returns whether nobody waits for deadlines: then the
    /// caller has to start a task that calls [`due`](Self::due) until that returns `None`.
    #[must_use = "true asks for a task that waits for the deadlines"]
    pub fn set(&self, key: K, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        let nearer = state.index.nearest().is_none_or(|nearest| deadline < nearest);
        state.index.set(key, deadline);
        let start = !std::mem::replace(&mut state.awaited, true);
        drop(state);
        if nearer && !start {
            self.nearer.notify_one();
        }
        start
    }

    /// Removes the deadline of a key. Whoever waits for deadlines stops when none is left.
    pub fn remove(&self, key: &K) {
        let mut state = self.state.lock();
        let removed = state.index.remove(key).is_some();
        let none_left = removed && state.index.is_empty() && state.awaited;
        drop(state);
        if none_left {
            self.nearer.notify_one();
        }
    }

    /// Waits until a deadline has passed; removes and returns the keys that are due, the earliest first, but at most
    /// `limit`: the rest is due at once the next time. `None` where no deadline is left; the next [`set`](Self::set)
    /// then asks for another task. One task at a time calls this. It may be dropped while it waits.
    pub async fn due(&self, limit: usize) -> Option<Vec<K>> {
        loop {
            let nearest = {
                let mut state = self.state.lock();
                let Some(nearest) = state.index.nearest() else {
                    state.awaited = false;
                    return None;
                };
                let due = state.index.take_due(Instant::now(), limit.max(1));
                if !due.is_empty() {
                    return Some(due);
                }
                nearest
            };
            tokio::select! {
                () = sleep_until(nearest) => {}
                () = self.nearer.notified() => {}
            }
        }
    }

    /// Returns how many deadlines there are.
    pub fn len(&self) -> usize {
        self.state.lock().index.len()
    }

    /// Returns whether there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_comes_when_it_is_and_not_before() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        assert!(deadlines.set("b", start + seconds(20)));
        assert!(!deadlines.set("a", start + seconds(10)));
        for (name, at) in [("a", 10), ("b", 20)] {
            assert_eq!(deadlines.due(10).await, Some(vec![name]));
            assert_eq!(start.elapsed().as_secs(), at);
        }
        assert_eq!(deadlines.due(10).await, None);
        assert!(deadlines.set("c", start), "a task is needed again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_nearer_deadline_shortens_the_wait_and_the_removal_of_the_last_one_ends_it() {
        let (deadlines, start) = (Arc::new(Deadlines::default()), Instant::now());
        let _ = deadlines.set("far", start + seconds(3600));
        let mut waiting = tokio::task::JoinSet::new();
        waiting.spawn({
            let deadlines = deadlines.clone();
            async move { (deadlines.due(10).await, Instant::now()) }
        });
        tokio::time::sleep(seconds(1)).await;
        let _ = deadlines.set("near", start + seconds(5));
        assert_eq!(waiting.join_next().await.unwrap().unwrap(), (Some(vec!["near"]), start + seconds(5)));
        waiting.spawn({
            let deadlines = deadlines.clone();
            async move { (deadlines.due(10).await, Instant::now()) }
        });
        tokio::time::sleep(seconds(1)).await;
        deadlines.remove(&"far");
        assert!(waiting.join_next().await.unwrap().unwrap().0.is_none());
        assert!(start.elapsed() < seconds(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wave_is_handed_out_in_portions() {
        let (deadlines, start) = (Deadlines::default(), Instant::now());
        for number in 0..25 {
            let _ = deadlines.set(number, start);
        }
        let mut sizes = Vec::new();
        while let Some(due) = deadlines.due(10).await {
            sizes.push(due.len());
        }
        assert_eq!(sizes, [10, 10, 5]);
    }
}
