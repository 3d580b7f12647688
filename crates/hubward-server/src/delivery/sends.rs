//! The sends of a node: each has a number, and whoever needs to can wait until all that have begun have been published.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, Notify};

/// How many threads can send without slowing each other down by what they count. A power of two.
const SHARDS: usize = 8;

/// Threads have stacks of their own, of this size or more: two of them rarely share a shard.
const STACK_BITS: u32 = 21;

/// The sends of a node.
///
/// Those that run are counted in one of two phases. Whoever [waits](Sends::until_published) changes the phase, so that later sends
/// do not prolong the wait, until those of the phase before have ended; and does so twice, since a send may be counted in
/// a phase that has just ended.
pub(crate) struct Sends {
    shards: [Shard; SHARDS],
    phase: AtomicUsize,
    /// Held by whoever waits: one at a time.
    waiting: Mutex<()>,
    is_awaited: AtomicBool,
    ended: Notify,
}

/// What one thread changes, or a few: in a cache line of its own.
#[repr(align(64))]
struct Shard {
    next: AtomicU64,
    running: [AtomicUsize; 2],
}

/// A send that runs: from before it has its recipients until it was published.
pub(crate) struct RunningSend<'a> {
    sends: &'a Sends,
    running: &'a AtomicUsize,
    /// No other message of this node has it, nor has one of its earlier lives.
    pub(crate) number: u64,
}

impl Sends {
    /// Makes those of a node that begins now.
    pub(crate) fn new() -> Self {
        Self::starting_at(SystemTime::now())
    }

    fn starting_at(time: SystemTime) -> Self {
        // A node that is started again goes on behind its earlier numbers, unless it had sent more than eight million messages
        // in every second.
        let now = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(now.as_micros()).unwrap_or(0).wrapping_mul(SHARDS as u64);
        let shard = |number: usize| Shard {
            next: AtomicU64::new(first.wrapping_add(number as u64)),
            running: Default::default(),
        };
        Self {
            shards: std::array::from_fn(shard),
            phase: AtomicUsize::new(0),
            waiting: Mutex::default(),
            is_awaited: AtomicBool::new(false),
            ended: Notify::new(),
        }
    }

    /// Begins a send. It ends when what is returned is dropped.
    pub(crate) fn begin(&self) -> RunningSend<'_> {
        let here = 0_u8;
        let stack = (&raw const here).addr() >> STACK_BITS;
        let [first, ..] = &self.shards;
        let shard = self.shards.get(stack % SHARDS).unwrap_or(first);
        let running = shard.running(self.phase.load(Ordering::SeqCst));
        running.fetch_add(1, Ordering::SeqCst);
        let number = shard.next.fetch_add(SHARDS as u64, Ordering::Relaxed);
        RunningSend { sends: self, running, number }
    }

    /// Waits until every send that had begun before has ended: it is in the mailboxes of its recipients, and has been published
    /// or has its place among what will be.
    pub(crate) async fn until_published(&self) {
        let _alone = self.waiting.lock().await;
        for _ in 0..2 {
            let phase = self.phase.fetch_xor(1, Ordering::SeqCst);
            loop {
                let ended = self.ended.notified();
                // Before the count is read: a send that ends afterwards sees it.
                self.is_awaited.store(true, Ordering::SeqCst);
                if self.shards.iter().all(|shard| shard.running(phase).load(Ordering::SeqCst) == 0) {
                    break;
                }
                ended.await;
            }
        }
        self.is_awaited.store(false, Ordering::SeqCst);
    }
}

impl Shard {
    /// How many run that were counted in a phase.
    fn running(&self, phase: usize) -> &AtomicUsize {
        let [even, odd] = &self.running;
        if phase.is_multiple_of(2) { even } else { odd }
    }
}

impl Drop for RunningSend<'_> {
    fn drop(&mut self) {
        if self.running.fetch_sub(1, Ordering::SeqCst) == 1 && self.sends.is_awaited.load(Ordering::SeqCst) {
            self.sends.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn no_two_sends_have_one_number_nor_has_one_of_a_later_life() {
        let sends = Sends::new();
        let numbers = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).map(|_| sends.begin().number).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<HashSet<_>>()
        });
        assert_eq!(numbers.len(), 4_000);
        let later = Sends::starting_at(SystemTime::now() + std::time::Duration::from_millis(2));
        assert!(
            numbers.iter().all(|number| *number < later.begin().number),
            "a restart takes longer than that"
        );
    }

    #[tokio::test]
    async fn a_wait_ends_with_the_sends_that_had_begun() {
        let sends = Sends::new();
        sends.until_published().now_or_never().expect("nothing runs");
        for _ in 0..3 {
            let (first, second) = (sends.begin(), sends.begin());
            let mut waiting = Box::pin(sends.until_published());
            assert!((&mut waiting).now_or_never().is_none());
            drop(first);
            assert!((&mut waiting).now_or_never().is_none());
            let later = sends.begin();
            drop(second);
            assert!(
                (&mut waiting).now_or_never().is_none(),
                "the later one may have been counted with those before"
            );
            drop(later);
            waiting.now_or_never().expect("all have ended");
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_leaves_the_next_one_whole() {
        let sends = Sends::new();
        let running = sends.begin();
        assert!(sends.until_published().now_or_never().is_none());
        let mut again = Box::pin(sends.until_published());
        assert!((&mut again).now_or_never().is_none());
        drop(running);
        again.now_or_never().expect("all have ended");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_sent_before_a_wait_is_there_after_it() {
        let (sends, done) = (Arc::new(Sends::new()), Arc::new(AtomicUsize::new(0)));
        let (begun, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let sender = std::thread::spawn({
            let (sends, done, begun, stop) = (sends.clone(), done.clone(), begun.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::SeqCst) {
                    let _running = sends.begin();
                    begun.fetch_add(1, Ordering::SeqCst);
                    std::hint::spin_loop();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        for _ in 0..2_000 {
            let before = begun.load(Ordering::SeqCst);
            sends.until_published().await;
            assert!(done.load(Ordering::SeqCst) >= before);
        }
        stop.store(true, Ordering::SeqCst);
        sender.join().unwrap();
    }
}
