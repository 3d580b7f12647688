//! Waking many connection tasks in portions.
//!
//! Why: the tasks that one thread wakes queue behind each other, and whatever becomes ready meanwhile queues behind all of
//! them: a message to 15,000 connections would hold up everybody else's calls until it has been written 15,000 times. So
//! a large batch wakes its first tasks, and a task of the node wakes the others, so many at a time: what else is ready
//! runs in between. Who is woken later has its messages already; their order is not touched.
//!
//! Bounded by the connections of the node: each has one waker, and whoever takes it from its mailbox leaves none.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Tasks that are woken at once for each worker of the runtime. To write one message takes each of them some ten
/// microseconds, so together they hold up nobody for longer than a millisecond.
pub(super) const PER_WORKER: usize = 64;

pub(crate) struct WakePortions {
    tasks: TaskTracker,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    wakers: VecDeque<Waker>,
    /// Whether a task empties it.
    running: bool,
}

impl WakePortions {
    pub(crate) fn new(tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self { tasks, queue: Mutex::default() })
    }

    /// Wakes the first ones now, and those after them soon.
    pub(super) fn wake(self: &Arc<Self>, wakers: impl ExactSizeIterator<Item = Waker>) {
        let mut wakers = wakers;
        let Ok(runtime) = Handle::try_current() else {
            wakers.for_each(Waker::wake);
            return;
        };
        let portion = PER_WORKER * runtime.metrics().num_workers();
        let mut queue = self.queue.lock();
        // Those that wait already come first.
        let first = if queue.running { 0 } else { portion };
        let first: Vec<_> = wakers.by_ref().take(first).collect();
        queue.wakers.extend(wakers);
        let starts = !queue.running && !queue.wakers.is_empty();
        queue.running |= starts;
        drop(queue);
        first.into_iter().for_each(Waker::wake);
        if starts {
            let running = Running(Some(self.clone()));
            self.tasks.spawn(running.wake_all(portion));
        }
    }
}

/// The task that empties the queue. Where it is dropped before that, because its runtime ends, it wakes all: others may run
/// in another runtime, and whoever comes later starts a task of their own.
struct Running(Option<Arc<WakePortions>>);

impl Running {
    async fn wake_all(mut self, portion: usize) {
        let mut wakers = Vec::with_capacity(portion);
        while let Some(portions) = &self.0 {
            to_the_end_of_the_queue().await;
            let mut queue = portions.queue.lock();
            let count = portion.min(queue.wakers.len());
            wakers.extend(queue.wakers.drain(..count));
            let ends = wakers.is_empty();
            if ends {
                *queue = Queue::default();
            }
            drop(queue);
            if ends {
                self.0 = None;
            }
            wakers.drain(..).for_each(Waker::wake);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(portions) = self.0.take() {
            let left = std::mem::take(&mut *portions.queue.lock());
            left.wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// Runs again after those that were woken last, and what has become ready meanwhile. tokio's own `yield_now` would be the
/// next to run after the driver was polled, before all of these.
async fn to_the_end_of_the_queue() {
    let mut was_there = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut was_there, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hubward_testing::WakeCounter;

    use super::*;

    fn wakers(counter: &Arc<WakeCounter>, count: usize) -> std::vec::IntoIter<Waker> {
        vec![Waker::from(counter.clone()); count].into_iter()
    }

    #[tokio::test]
    async fn a_portion_is_woken_at_once_and_the_rest_after_it_even_where_more_come() {
        let portions = WakePortions::new(TaskTracker::new());
        let (first, second) = (Arc::<WakeCounter>::default(), Arc::<WakeCounter>::default());
        portions.wake(wakers(&first, 3 * PER_WORKER));
        portions.wake(wakers(&second, 1));
        assert_eq!(
            (first.count(), second.count()),
            (PER_WORKER, 0),
            "those that were there first are woken first"
        );
        portions.tasks.close();
        portions.tasks.wait().await;
        assert_eq!((first.count(), second.count()), (3 * PER_WORKER, 1));
    }

    #[tokio::test]
    async fn nothing_is_left_behind_and_the_next_ones_are_woken_again() {
        let portions = WakePortions::new(TaskTracker::new());
        for count in [1, PER_WORKER, PER_WORKER + 1, 10 * PER_WORKER] {
            let counter = Arc::<WakeCounter>::default();
            portions.wake(wakers(&counter, count));
            while !portions.tasks.is_empty() {
                tokio::task::yield_now().await;
            }
            assert_eq!(counter.count(), count);
            assert_eq!(portions.queue.lock().wakers.capacity(), 0);
        }
    }

    #[tokio::test]
    async fn what_becomes_ready_while_many_are_woken_waits_for_a_portion_of_them_and_not_for_all() {
        let portions = WakePortions::new(TaskTracker::new());
        let (wakers, ran) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        for _ in 0..20 * PER_WORKER {
            let (wakers, ran) = (wakers.clone(), ran.clone());
            portions.tasks.spawn(async move {
                let mut waits = true;
                poll_fn(|cx| match std::mem::take(&mut waits) {
                    true => {
                        wakers.lock().push(cx.waker().clone());
                        Poll::Pending
                    }
                    false => Poll::Ready(()),
                })
                .await;
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        while wakers.lock().len() < 20 * PER_WORKER {
            tokio::task::yield_now().await;
        }
        portions.wake(std::mem::take(&mut *wakers.lock()).into_iter());
        let mut ran_before = 0;
        while ran.load(Ordering::Relaxed) < 20 * PER_WORKER {
            let ran_at = ran.clone();
            let ready = portions.tasks.spawn(async move { ran_at.load(Ordering::Relaxed) });
            let ran_now = ready.await.unwrap();
            assert!(ran_now - ran_before <= 3 * PER_WORKER, "{}", ran_now - ran_before);
            ran_before = ran_now;
        }
    }

    #[test]
    fn those_that_wait_in_a_runtime_that_ends_are_woken_and_so_are_those_of_the_next_one() {
        let portions = WakePortions::new(TaskTracker::new());
        let (first, second) = (Arc::<WakeCounter>::default(), Arc::<WakeCounter>::default());
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime().block_on(async { portions.wake(wakers(&first, 3 * PER_WORKER)) });
        assert_eq!(first.count(), 3 * PER_WORKER);
        runtime().block_on(async {
            portions.wake(wakers(&second, 3 * PER_WORKER));
            assert_eq!(second.count(), PER_WORKER);
            portions.tasks.close();
            portions.tasks.wait().await;
        });
        assert_eq!(second.count(), 3 * PER_WORKER);
    }

    #[test]
    fn where_there_is_no_runtime_all_are_woken_at_once() {
        let counter = Arc::<WakeCounter>::default();
        WakePortions::new(TaskTracker::new()).wake(wakers(&counter, 3 * PER_WORKER));
        assert_eq!(counter.count(), 3 * PER_WORKER);
    }
}
