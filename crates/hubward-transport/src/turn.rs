//! How a task that is not done lets others have their turn.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

use tokio::task::yield_now;

/// Has the task polled again, after the runtime has looked for what others have sent. A task that wakes itself goes back
/// into the queue, and while that is not empty, the runtime looks only every few dozen polls.
pub fn poll_again_after_others(cx: &mut Context<'_>) {
    // Its first poll hands the waker to the runtime for that.
    let _ = pin!(yield_now()).poll(cx);
}
