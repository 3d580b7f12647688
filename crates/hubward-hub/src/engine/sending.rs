//! A message on its way: to the other nodes, and to one recipient that has no room.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

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
/// For the other nodes, awaiting waits until the message is accepted: it has its place in the order, and goes out with what
/// is sent at the same time. It waits for the message broker only where much waits for that already;
/// [`until_published`](Self::until_published) always does.
///
/// While the link to the other nodes is interrupted, a message for them is held for as long as
/// [`on_outage`](crate::HubOptions::on_outage) says, also where its `Sending` is dropped. Awaiting it delays nobody then, but
/// where half of what may be held is used up: then it waits until the message is published, or is not.
///
/// It yields `()`, or a [`SendError`]; a recipient that has gone is none. A `Sending` that is dropped before it is done
/// may never leave this node, so do not drop it unless that is meant: await it, or spawn it.
#[must_use = "other nodes get the message only when this is awaited"]
pub struct Sending(Progress);

enum Progress {
    Done(Option<Result<(), SendError>>),
    Pending(BoxFuture<'static, Result<(), SendError>>),
    /// On its way to the other nodes: what becomes of it, and what else is waited for.
    Accepted(BoxFuture<'static, Result<(), SendError>>, Option<BoxFuture<'static, ()>>),
    /// The same of one that is held until the link to them is whole.
    Held(BoxFuture<'static, Result<(), SendError>>, Option<BoxFuture<'static, ()>>),
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

    /// Makes one of a message that is held in an outage; `published` yields what becomes of it. For engines.
    pub fn held(published: BoxFuture<'static, Result<(), SendError>>) -> Self {
        Self(Progress::Held(published, None))
    }

    /// Makes one of a message that is on its way; `published` yields what becomes of it. For engines.
    pub fn accepted(published: BoxFuture<'static, Result<(), SendError>>) -> Self {
        Self(Progress::Accepted(published, None))
    }

    /// Waits until the message broker has the message: every node that is subscribed to it then gets it, but for an
    /// interruption of its own link. Where the message is held in an outage, this waits until it is published or discarded.
    ///
    /// ```
    /// use hubward_hub::{HubError, HubHandle};
    ///
    /// async fn discharge(clinical: HubHandle, bed: u32) -> Result<(), HubError> {
    ///     clinical.all().send("Discharged", (bed,)).until_published().await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn until_published(self) -> Self {
        match self.0 {
            Progress::Accepted(published, None) | Progress::Held(published, None) => Self::later(published),
            Progress::Accepted(published, Some(wait)) | Progress::Held(published, Some(wait)) => {
                Self::later(published).and_wait(wait)
            }
            Progress::Done(_) | Progress::Pending(_) => self,
        }
    }

    /// Waits as [`until_published`](Self::until_published) does, but not in an outage, and no longer than this: then the
    /// message is on its way, and this yields what awaiting alone does.
    ///
    /// # Errors
    /// As awaiting: what fails after the message was accepted is counted and logged by the node.
    pub async fn published_within(self, limit: Duration) -> Result<(), SendError> {
        let (mut published, wait) = match self.0 {
            Progress::Accepted(published, wait) => (published, wait),
            _ => return self.await,
        };
        if let Some(wait) = wait {
            wait.await;
        }
        if let Poll::Ready(result) = futures_util::poll!(&mut published) {
            return result;
        }
        let _ = tokio::time::timeout(limit, published).await;
        Ok(())
    }

    /// Makes it wait for something else as well, such as a recipient's room. For engines.
    pub fn and_wait(self, wait: impl Future<Output = ()> + Send + 'static) -> Self {
        match self.0 {
            Progress::Accepted(published, before) => {
                Self(Progress::Accepted(published, Some(in_turn(before, wait))))
            }
            Progress::Held(published, before) => Self(Progress::Held(published, Some(in_turn(before, wait)))),
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
            Progress::Accepted(published, wait) | Progress::Held(published, wait) => {
                if let Some(wait) = wait {
                    ready!(wait.as_mut().poll(cx));
                }
                // Known already where it was refused.
                match published.as_mut().poll(cx) {
                    Poll::Ready(result) => result,
                    Poll::Pending => Ok(()),
                }
            }
        };
        budget.made_progress();
        Poll::Ready(result)
    }
}

/// Waits for one thing after the other.
fn in_turn(
    before: Option<BoxFuture<'static, ()>>,
    wait: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        if let Some(before) = before {
            before.await;
        }
        wait.await;
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

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

    #[tokio::test]
    async fn a_message_that_is_held_delays_nobody_but_who_waits_until_it_is_published() {
        let discarded = || Err(SendError::HeldTooLong { limit: Duration::from_secs(10) });
        let held = || {
            let (tx, published) = oneshot::channel();
            (tx, Sending::held(Box::pin(async { published.await.unwrap() })))
        };
        let (_tx, sending) = held();
        sending.await.unwrap();
        for waits in [false, true] {
            let ((tx, mut sending), (room, has_room)) = (held(), oneshot::channel::<()>());
            if waits {
                sending = sending.and_wait(async { has_room.await.unwrap() });
            }
            let mut sending = sending.until_published();
            assert!(futures_util::poll!(&mut sending).is_pending());
            tx.send(discarded()).unwrap();
            assert_eq!(futures_util::poll!(&mut sending).is_pending(), waits);
            let _ = room.send(());
        }
    }

    #[tokio::test]
    async fn a_message_that_is_held_still_waits_for_the_room_of_a_recipient() {
        let ((room, has_room), (turn, has_turn)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let held = Sending::held(Box::pin(std::future::pending()));
        let held = held.and_wait(async { has_room.await.unwrap() });
        let mut held = held.and_wait(async { has_turn.await.unwrap() });
        assert!(futures_util::poll!(&mut held).is_pending());
        room.send(()).unwrap();
        assert!(futures_util::poll!(&mut held).is_pending());
        turn.send(()).unwrap();
        held.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_message_to_be_published_ends_with_its_limit_and_is_left_out_in_an_outage() {
        let limit = Duration::from_secs(1);
        let never = || Box::pin(std::future::pending());
        let start = tokio::time::Instant::now();
        Sending::held(never()).published_within(limit).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        Sending::accepted(never()).published_within(limit).await.unwrap();
        assert_eq!(start.elapsed(), limit);
        let published = Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(())
        });
        Sending::accepted(published).published_within(limit).await.unwrap();
        assert_eq!(start.elapsed(), limit + Duration::from_millis(1));
        let refused = Box::pin(async { Err(SendError::Backplane { reason: "full".to_owned() }) });
        Sending::accepted(refused).published_within(limit).await.unwrap_err();
    }
}
