//! Dropping a future at each of its awaits, as a timeout or a caller that has gone does.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// The most polls that a call of a suite may need: a bound, so that a future that is never ready fails its test.
const MAX_POLLS: usize = 64;

/// Polls a future this many times, whenever it is woken, and then drops it. Returns what it returned by then.
pub(super) async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs a round for each number of polls, from none on, until one says that its call was complete.
///
/// # Panics
///
/// Panics if none is within a bound.
pub(super) async fn for_each_await(round: impl AsyncFn(usize) -> bool) {
    for polls in 0..MAX_POLLS {
        if round(polls).await {
            return;
        }
    }
    panic!("a call is not complete after {MAX_POLLS} polls");
}
