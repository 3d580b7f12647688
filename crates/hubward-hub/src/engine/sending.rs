//! A message on its way: to the other nodes, and to one recipient that has no room.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::task::coop;

use crate::error::SendError;

/// A message on its way. The recipients of this node have it queued already, in the order of the calls; awaiting
/// publishes it to the other nodes, and is the sender's backpressure:
///
/// * A message to one connection of this node waits until less than a quarter of what may wait for that client does,
///   or until the connection closes. So a loop that awaits each send runs as fast as its client reads, and needs no
///   memory for it. A client that does not read is closed, which ends the wait.
/// * A message to several (a group, a user, all) waits for no client. A recipient that has more waiting than may wait
///   is closed as a slow consumer; where its task has had no turn on a processor since then, awaiting gives it one.
/// * Each await takes part in tokio's cooperative scheduling, so that a loop of sends lets the tasks run that write them.
///
/// A loop that drops each `Sending` instead has no backpressure: beyond a multiple of what may wait for them, it closes
/// its recipients, whether or not they read.
///
/// It yields `()`, or a [`SendError`]; a recipient that has gone is none. A `Sending` that is dropped before it is done
/// may never leave this node, so do not drop it unless that is meant: await it, or spawn it.
#[must_use = "other nodes get the message only when this is awaited"]
pub struct Sending(Progress);

enum Progress {
    Done(Option<Result<(), SendError>>),
    Pending(BoxFuture<'static, Result<(), SendError>>),
}

impl Sending {
    /// Makes one that is done. For engines.
    pub fn done(result: Result<(), SendError>) -> Self {
        Self(Progress::Done(Some(result)))
    }

    /// Makes one that `rest` completes. For engines.
    pub fn later(rest: BoxFuture<'static, Result<(), SendError>>) -> Self {
        Self(Progress::Pending(rest))
    }

    /// Makes it wait for something else as well, such as a recipient's room. For engines.
    pub fn and_wait(self, wait: impl Future<Output = ()> + Send + 'static) -> Self {
        match self.0 {
            Progress::Done(result) => Self::later(Box::pin(async move {
                wait.await;
                result.unwrap_or(Ok(()))
            })),
            Progress::Pending(rest) => Self::later(Box::pin(async move {
                let result = rest.await;
                wait.await;
                result
            })),
        }
    }
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let budget = ready!(coop::poll_proceed(cx));
        let result = match &mut self.0 {
            Progress::Done(result) => result.take().unwrap_or(Ok(())),
            Progress::Pending(rest) => ready!(rest.as_mut().poll(cx)),
        };
        budget.made_progress();
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_loop_of_sends_lets_other_tasks_run() {
        let sent = AtomicUsize::new(0);
        let send = async {
            for _ in 0..100_000 {
                Sending::done(Ok(())).await.unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
        };
        let other = async { sent.load(Ordering::Relaxed) };
        tokio::pin!(send);
        let sent_before = tokio::select! { biased; () = &mut send => usize::MAX, sent = other => sent };
        assert!(sent_before < 1000, "{sent_before}");
    }

    #[tokio::test]
    async fn what_else_is_waited_for_comes_after_and_changes_no_result() {
        let failed = || Err(SendError::Backplane { reason: "away".to_owned() });
        for sending in [Sending::done(failed()), Sending::later(Box::pin(async move { failed() }))] {
            let (tx, rx) = tokio::sync::oneshot::channel::<()>();
            let mut sending = sending.and_wait(async { rx.await.unwrap() });
            assert!(futures_util::poll!(&mut sending).is_pending());
            tx.send(()).unwrap();
            assert!(sending.await.is_err());
        }
    }
}
