//! Waking many connection tasks in portions.
//!
//! Why: the tasks that one thread wakes queue behind each other, and whatever becomes ready meanwhile queues behind all of
//! them: a message to 15,000 connections would hold up everybody else's calls until it has been written 15,000 times. So
//! a large batch wakes its first tasks, and a task of the node wakes the others, so many at a time: what else is ready
//! runs in between. Who is woken later has its messages already; their order is not touched.
//!
//! What it wakes until nobody waits any more is a round. Where messages come in quick succession, the next round may begin
//! a little later, so that more of them leave in each write (`wake_pacing.rs`).
//!
//! Bounded by the connections of the node: each has one waker, and whoever takes it from its mailbox leaves none.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::wake_pacing::{WakePacing, WakePause, WakeRound};

/// Tasks that are woken at once for each worker of the runtime. To write one message takes each of them some ten
/// microseconds, so together they hold up nobody for longer than a millisecond.
pub(super) const PER_WORKER: usize = 64;

/// What a pause waits for while there is none.
const NO_PAUSE: usize = usize::MAX;

pub(crate) struct WakePortions {
    tasks: TaskTracker,
    queue: Mutex<Queue>,
    /// Messages that large fan-outs have put into mailboxes since the round before ended.
    messages: AtomicUsize,
    /// The number of them that ends a pause.
    awaited: AtomicUsize,
    /// Notifies the task that pauses.
    resume: Notify,
}

#[derive(Default)]
struct Queue {
    wakers: VecDeque<Waker>,
    /// The round that a task carries out, if there is one.
    running: Option<RunningRound>,
    pacing: WakePacing,
}

struct RunningRound {
    began: Instant,
    /// How many it wakes.
    tasks: usize,
}

impl WakePortions {
    pub(crate) fn new(tasks: TaskTracker) -> Arc<Self> {
        let (messages, awaited) = (AtomicUsize::new(0), AtomicUsize::new(NO_PAUSE));
        Arc::new(Self { tasks, queue: Mutex::default(), messages, awaited, resume: Notify::new() })
    }

    /// Wakes the first ones now, and those after them soon.
    pub(super) fn wake(self: &Arc<Self>, wakers: impl ExactSizeIterator<Item = Waker>) {
        let mut wakers = wakers;
        let Ok(runtime) = Handle::try_current() else {
            wakers.for_each(Waker::wake);
            return;
        };
        let portion = PER_WORKER * runtime.metrics().num_workers();
        let count = wakers.len();
        let mut queue = self.queue.lock();
        if let Some(round) = &mut queue.running {
            // Those that wait already come first.
            round.tasks += count;
            queue.wakers.extend(wakers);
            return;
        }
        let now = Instant::now();
        let pause = queue.pacing.pause(count, self.messages.load(Ordering::Relaxed), now);
        if pause.is_none() && count <= portion {
            self.messages.store(0, Ordering::Relaxed);
            drop(queue);
            wakers.for_each(Waker::wake);
            return;
        }
        let first = if pause.is_some() { 0 } else { portion };
        let first: Vec<_> = wakers.by_ref().take(first).collect();
        queue.wakers.extend(wakers);
        queue.running = Some(RunningRound { began: now, tasks: count });
        self.awaited.store(pause.as_ref().map_or(NO_PAUSE, |pause| pause.messages), Ordering::Relaxed);
        drop(queue);
        first.into_iter().for_each(Waker::wake);
        self.tasks.spawn(Running(Some(self.clone())).wake_all(portion, pause));
    }

    /// Notes that a large fan-out has put a message into so many mailboxes.
    pub(super) fn note_messages(&self, count: usize) {
        let messages = self.messages.fetch_add(count, Ordering::Relaxed) + count;
        if messages >= self.awaited.load(Ordering::Relaxed) {
            self.resume.notify_one();
        }
    }

    /// Ends a pause, because a mailbox fills.
    pub(super) fn hurry(&self) {
        if self.awaited.load(Ordering::Relaxed) != NO_PAUSE {
            self.awaited.store(0, Ordering::Relaxed);
            self.resume.notify_one();
        }
    }

    /// Waits for more messages, at most for the time of a pause.
    async fn pause(&self, pause: WakePause) {
        let enough = async {
            while self.messages.load(Ordering::Relaxed) < self.awaited.load(Ordering::Relaxed) {
                self.resume.notified().await;
            }
        };
        let _ = tokio::time::timeout_at(pause.until, enough).await;
        self.awaited.store(NO_PAUSE, Ordering::Relaxed);
        if let Some(round) = &mut self.queue.lock().running {
            round.began = Instant::now();
        }
    }

    /// Takes those that are to be woken next; none where the round has ended with that.
    fn take(&self, portion: usize, wakers: &mut Vec<Waker>) {
        let mut queue = self.queue.lock();
        let count = portion.min(queue.wakers.len());
        wakers.extend(queue.wakers.drain(..count));
        if !wakers.is_empty() {
            return;
        }
        queue.wakers = VecDeque::new();
        if let Some(RunningRound { began, tasks }) = queue.running.take() {
            let (now, messages) = (Instant::now(), self.messages.swap(0, Ordering::Relaxed));
            queue.pacing.end_round(&WakeRound { took: now - began, tasks, messages }, now);
        }
    }
}

/// The task that empties the queue. Where it is dropped before that, because its runtime ends, it wakes all: others may run
/// in another runtime, and whoever comes later starts a task of their own.
struct Running(Option<Arc<WakePortions>>);

impl Running {
    async fn wake_all(mut self, portion: usize, pause: Option<WakePause>) {
        let mut wakers = Vec::with_capacity(portion);
        if let (Some(portions), Some(pause)) = (&self.0, pause) {
            portions.pause(pause).await;
            portions.take(portion, &mut wakers);
            wakers.drain(..).for_each(Waker::wake);
        }
        while let Some(portions) = &self.0 {
            to_the_end_of_the_queue().await;
            portions.take(portion, &mut wakers);
            if wakers.is_empty() {
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
            portions.awaited.store(NO_PAUSE, Ordering::Relaxed);
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
    use std::time::Duration;

    use hubward_testing::WakeCounter;

    use super::*;
    use crate::connection::wake_batch;

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

    /// Returns portions whose next round has come and waits, because each task had several messages in the one before, with
    /// the number of tasks that it has woken.
    async fn pausing() -> (Arc<WakePortions>, Arc<WakeCounter>) {
        let portions = WakePortions::new(TaskTracker::new());
        let (before, counter) = (Arc::<WakeCounter>::default(), Arc::<WakeCounter>::default());
        portions.note_messages(16 * 3 * PER_WORKER);
        portions.wake(wakers(&before, 3 * PER_WORKER));
        // A clock that stands still would let the round take no time.
        tokio::time::advance(Duration::from_millis(1)).await;
        portions.tasks.close();
        portions.tasks.wait().await;
        assert_eq!(before.count(), 3 * PER_WORKER);
        portions.wake(wakers(&counter, 3 * PER_WORKER));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(counter.count(), 0);
        (portions, counter)
    }

    #[tokio::test(start_paused = true)]
    async fn where_messages_follow_each_other_closely_a_round_waits_for_more_of_them_but_not_long() {
        let (portions, counter) = pausing().await;
        let began = Instant::now();
        portions.tasks.wait().await;
        assert_eq!(counter.count(), 3 * PER_WORKER);
        assert!(began.elapsed() <= Duration::from_millis(11), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_begins_when_as_many_messages_have_come_as_before() {
        let (portions, counter) = pausing().await;
        let began = Instant::now();
        (0..16).for_each(|_| portions.note_messages(3 * PER_WORKER));
        portions.tasks.wait().await;
        assert_eq!((counter.count(), began.elapsed()), (3 * PER_WORKER, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_begins_when_a_mailbox_fills() {
        let (portions, counter) = pausing().await;
        let began = Instant::now();
        let batch = wake_batch::WakeBatch::open();
        wake_batch::hurry();
        wake_batch::divide(&portions, 1);
        drop(batch);
        portions.tasks.wait().await;
        assert_eq!((counter.count(), began.elapsed()), (3 * PER_WORKER, Duration::ZERO));
    }

    #[test]
    fn a_runtime_that_ends_in_a_pause_wakes_all() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let counter = runtime.unwrap().block_on(async { pausing().await.1 });
        assert_eq!(counter.count(), 3 * PER_WORKER);
    }
}
