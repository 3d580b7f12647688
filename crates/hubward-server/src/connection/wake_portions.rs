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
//! All of it runs where the connections do, whoever sends: another runtime may have no timer, and nobody may drive it when its
//! sender has gone on.
//!
//! Bounded by the connections of the node. A task that runs for another reason while its waker is in the queue leaves a
//! second one in its mailbox, and so on; where many wait, all but the first of each are removed.

use std::collections::{HashSet, VecDeque};
use std::future::poll_fn;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::runtime::ConnectionRuntime;
use super::wake_pacing::{WakePacing, WakePause, WakeRound};

/// Tasks that are woken at once for each worker of the runtime. To write one message takes each of them some ten
/// microseconds, so together they hold up nobody for longer than a millisecond.
pub(super) const PER_WORKER: usize = 64;

/// From so many wakers in the queue on, those that are in it more than once are looked for.
const MANY_WAKERS: usize = 4096;

/// What a pause waits for while there is none.
const NO_PAUSE: usize = usize::MAX;

pub(crate) struct WakePortions {
    tasks: TaskTracker,
    runtime: ConnectionRuntime,
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
    /// How many there were when those that are in it more than once were looked for last, and none of these is counted.
    distinct: usize,
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
    pub(crate) fn new(tasks: TaskTracker, runtime: ConnectionRuntime) -> Arc<Self> {
        let (messages, awaited) = (AtomicUsize::new(0), AtomicUsize::new(NO_PAUSE));
        Arc::new(Self { tasks, runtime, queue: Mutex::default(), messages, awaited, resume: Notify::new() })
    }

    /// Wakes the first ones now, and those after them soon.
    pub(super) fn wake(self: &Arc<Self>, wakers: impl ExactSizeIterator<Item = Waker>) {
        let mut wakers = wakers;
        let count = wakers.len();
        let mut queue = self.queue.lock();
        if let Some(round) = &mut queue.running {
            // Those that wait already come first.
            round.tasks += count;
            queue.add(wakers);
            return;
        }
        let Some(runtime) = self.runtime.handle() else {
            drop(queue);
            wakers.for_each(Waker::wake);
            return;
        };
        let portion = PER_WORKER * runtime.metrics().num_workers();
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
        queue.add(wakers);
        queue.running = Some(RunningRound { began: now, tasks: count });
        self.awaited.store(pause.as_ref().map_or(NO_PAUSE, |pause| pause.messages), Ordering::Relaxed);
        drop(queue);
        first.into_iter().for_each(Waker::wake);
        self.tasks.spawn_on(Running(Some(self.clone())).wake_all(portion, pause), &runtime);
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

    /// How many wakers are in the queue.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().wakers.len()
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
        (queue.wakers, queue.distinct) = (VecDeque::new(), 0);
        if let Some(RunningRound { began, tasks }) = queue.running.take() {
            let (now, messages) = (Instant::now(), self.messages.swap(0, Ordering::Relaxed));
            queue.pacing.end_round(&WakeRound { took: now - began, tasks, messages }, now);
        }
    }
}

impl Queue {
    /// Adds wakers, and keeps to the bound: when there are twice as many as there were tasks.
    fn add(&mut self, wakers: impl Iterator<Item = Waker>) {
        self.wakers.extend(wakers);
        if self.wakers.len() > MANY_WAKERS.max(2 * self.distinct) {
            let mut seen = HashSet::with_capacity(self.wakers.len());
            // Two tasks differ in their data while both have a waker here.
            self.wakers
                .retain(|waker| seen.insert((waker.data().addr(), ptr::from_ref(waker.vtable()).addr())));
            self.distinct = self.wakers.len();
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
            portions.runtime.forget();
            let left = std::mem::take(&mut *portions.queue.lock()).wakers;
            portions.awaited.store(NO_PAUSE, Ordering::Relaxed);
            left.into_iter().for_each(Waker::wake);
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
mod tests;
