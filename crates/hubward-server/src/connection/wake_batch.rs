//! Wake batching: wake-ups of connection tasks that wait until a batch of work is done.
//!
//! Why: a task that is woken by the first of sixteen messages runs at once on another worker and writes that one alone,
//! in a system call of its own; woken after the sixteenth, it writes all in one. So whoever produces several messages
//! (a broadcast, a poll that handles several calls, an envelope for many) opens a batch, and wakers collect in this
//! thread until it closes. A batch in which a mailbox fills is in a hurry: it wakes at the next place where that is safe.
//! A large batch wakes in portions (`wake_portions.rs`).

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;

use super::wake_portions::{PER_WORKER, WakePortions};

thread_local! {
    static BATCH: RefCell<Open> =
        const { RefCell::new(Open { depth: 0, hurries: false, wakers: Vec::new(), portions: None }) };
}

struct Open {
    depth: usize,
    /// Whether somebody who waits to be woken has much to do already.
    hurries: bool,
    wakers: Vec<Waker>,
    /// Wakes them, where there are many.
    portions: Option<Arc<WakePortions>>,
}

/// Capacity for wakers that a thread keeps between batches; a larger fan-out frees its memory.
const KEPT_WAKERS: usize = 4096;

/// An open batch of this thread. Never held across an await.
pub(crate) struct WakeBatch {
    /// Tied to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl WakeBatch {
    /// Opens a batch. Batches nest; closing the outermost wakes, and closing any does where there is hurry.
    pub(crate) fn open() -> Self {
        BATCH.with_borrow_mut(|batch| batch.depth += 1);
        Self { _not_send: std::marker::PhantomData }
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        let (mut wakers, portions, hurries) = BATCH.with_borrow_mut(|batch| {
            batch.depth -= 1;
            let hurries = batch.hurries;
            batch.hurries &= batch.depth > 0;
            if batch.depth == 0 || hurries {
                (std::mem::take(&mut batch.wakers), batch.portions.take(), hurries)
            } else {
                (Vec::new(), None, hurries)
            }
        });
        if wakers.is_empty() {
            return;
        }
        // Outside of the borrow: a waker may run code that opens a batch.
        match portions {
            Some(portions) => {
                portions.wake(wakers.drain(..));
                if hurries {
                    portions.hurry();
                }
            }
            None => wakers.drain(..).for_each(Waker::wake),
        }
        if wakers.capacity() <= KEPT_WAKERS {
            BATCH.with_borrow_mut(|batch| {
                if batch.wakers.capacity() == 0 {
                    batch.wakers = wakers;
                }
            });
        }
    }
}

/// Lets those that wait in this thread's batch start soon: a mailbox fills. They are not woken here, where locks may be
/// held, but when the next batch closes.
pub(crate) fn hurry() {
    BATCH.with_borrow_mut(|batch| batch.hurries = batch.depth > 0);
}

/// Lets this thread's batch wake in portions of the node, where a message had many recipients.
pub(crate) fn divide(portions: &Arc<WakePortions>, recipients: usize) {
    let is_large = recipients > PER_WORKER;
    if is_large {
        portions.note_messages(recipients);
    }
    let hurries = BATCH.with_borrow_mut(|batch| {
        if is_large && batch.portions.is_none() {
            batch.portions = Some(portions.clone());
        }
        batch.hurries
    });
    if hurries {
        portions.hurry();
    }
}

/// Whether a mailbox has filled since this thread's outermost batch was opened.
pub(crate) fn hurries() -> bool {
    BATCH.with_borrow(|batch| batch.hurries)
}

/// Wakes now, or when this thread's batch closes.
pub(crate) fn wake(waker: Waker) {
    let now = BATCH.with_borrow_mut(|batch| {
        if batch.depth == 0 {
            return Some(waker);
        }
        batch.wakers.push(waker);
        None
    });
    if let Some(waker) = now {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use hubward_testing::WakeCounter;

    use super::*;

    /// Opens a batch of its own and wakes another in it, as a waker may that runs code.
    struct Chained(Waker);

    impl Wake for Chained {
        fn wake(self: Arc<Self>) {
            let _batch = WakeBatch::open();
            wake(self.0.clone());
        }
    }

    fn kept_capacity() -> usize {
        BATCH.with_borrow(|batch| batch.wakers.capacity())
    }

    #[test]
    fn wakers_wait_for_the_outermost_batch() {
        let (counter, waker) = WakeCounter::waker();
        let outer = WakeBatch::open();
        wake(waker.clone());
        drop(WakeBatch::open());
        assert_eq!(counter.count(), 0);
        drop(outer);
        assert_eq!(counter.count(), 1);
        wake(waker);
        assert_eq!(counter.count(), 2);
    }

    #[test]
    fn in_a_hurry_wakers_wait_for_the_innermost_batch_only() {
        let (counter, waker) = WakeCounter::waker();
        hurry();
        assert!(!hurries(), "there is no batch");
        let outermost = WakeBatch::open();
        let inner = WakeBatch::open();
        wake(waker.clone());
        hurry();
        assert_eq!((counter.count(), hurries()), (0, true));
        drop(inner);
        assert_eq!((counter.count(), hurries()), (1, true));
        drop(outermost);
        assert_eq!((counter.count(), hurries()), (1, false));
    }

    #[test]
    fn a_waker_may_open_a_batch_while_it_is_woken() {
        let (counter, waker) = WakeCounter::waker();
        let batch = WakeBatch::open();
        for _ in 0..3 {
            wake(Waker::from(Arc::new(Chained(waker.clone()))));
        }
        assert_eq!(counter.count(), 0);
        drop(batch);
        assert_eq!(counter.count(), 3);
    }

    #[test]
    fn a_batch_holds_up_nobody_in_another_thread() {
        let (counter, waker) = WakeCounter::waker();
        let _batch = WakeBatch::open();
        let (theirs, their_waker) = WakeCounter::waker();
        std::thread::spawn(move || wake(their_waker)).join().unwrap();
        wake(waker);
        assert_eq!((counter.count(), theirs.count()), (0, 1));
    }

    #[tokio::test]
    async fn a_large_batch_wakes_in_portions_and_a_small_one_after_it_does_not_wait_for_them() {
        let runtime = crate::connection::runtime::ConnectionRuntime::default();
        runtime.note();
        let portions = WakePortions::new(tokio_util::task::TaskTracker::new(), runtime);
        let (counter, waker) = WakeCounter::waker();
        let wake_many = |count| {
            let _batch = WakeBatch::open();
            (0..count).for_each(|_| wake(waker.clone()));
            divide(&portions, count);
        };
        wake_many(3 * PER_WORKER);
        assert_eq!(counter.count(), PER_WORKER);
        wake_many(PER_WORKER);
        assert_eq!(counter.count(), 2 * PER_WORKER);
        while counter.count() < 4 * PER_WORKER {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_thread_keeps_its_memory_between_batches_but_not_that_of_a_large_fan_out() {
        let (_, waker) = WakeCounter::waker();
        for (wakers, kept) in [(10, true), (2 * KEPT_WAKERS, false), (10, true)] {
            let batch = WakeBatch::open();
            (0..wakers).for_each(|_| wake(waker.clone()));
            drop(batch);
            assert_eq!(kept_capacity() > 0, kept, "{wakers}");
        }
    }
}
