//! The turns of a busy connection. hyper wakes its own task where a poll has not done all that there is to do, such as
//! requests that a client sends without waiting for responses. Here that is after the others had their turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use crate::turn::poll_again_after_others;

/// No poll runs: whoever wakes wakes the task.
const IDLE: u8 = 0;
/// A poll runs.
const POLLING: u8 = 1;
/// A poll runs, and another has to follow.
const AGAIN: u8 = 2;

/// Polls a future in turns.
pub(super) struct Turns {
    shared: Arc<Shared>,
    /// What the future is polled with.
    waker: Waker,
}

struct Shared {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Turns {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared { state: AtomicU8::new(IDLE), task: Mutex::new(Waker::noop().clone()) });
        Self { waker: shared.clone().into(), shared }
    }

    /// Polls the future. Where it was woken meanwhile, the task is polled again when others had their turn.
    pub(super) fn poll<F: Future>(&self, cx: &mut Context<'_>, future: Pin<&mut F>) -> Poll<F::Output> {
        self.shared.task.lock().clone_from(cx.waker());
        self.shared.state.store(POLLING, Ordering::SeqCst);
        let polled = future.poll(&mut Context::from_waker(&self.waker));
        if self.shared.state.swap(IDLE, Ordering::SeqCst) == AGAIN && polled.is_pending() {
            poll_again_after_others(cx);
        }
        polled
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let again = self.state.compare_exchange(POLLING, AGAIN, Ordering::SeqCst, Ordering::SeqCst);
        if again == Err(IDLE) {
            let task = self.task.lock().clone();
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::task::yield_now;

    use super::*;
    use crate::test_support::TestTask;

    #[tokio::test]
    async fn a_future_that_wakes_itself_is_polled_again_after_others_and_one_that_is_woken_later_at_once() {
        let (turns, task) = (Turns::new(), TestTask::new());
        let mut woken_by = None;
        let mut future = pin!(poll_fn(|cx| {
            match woken_by.replace(cx.waker().clone()) {
                None => cx.waker().wake_by_ref(),
                Some(waker) => assert!(waker.will_wake(cx.waker())),
            }
            Poll::<()>::Pending
        }));
        assert!(turns.poll(&mut task.cx(), future.as_mut()).is_pending());
        assert!(!task.was_woken());
        yield_now().await;
        assert!(task.was_woken());
        assert!(turns.poll(&mut task.cx(), future.as_mut()).is_pending());
        yield_now().await;
        assert!(!task.was_woken(), "nobody has woken it");
        turns.waker.wake_by_ref();
        assert!(task.was_woken());
    }
}
