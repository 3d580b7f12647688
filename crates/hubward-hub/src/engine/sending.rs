//! A message on its way to the other nodes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use crate::error::SendError;

/// A message on its way: the recipients of this node have it queued already; awaiting publishes it to the other nodes.
///
/// It yields `()`, or a [`SendError`]. A `Sending` that is dropped before it is done may never leave this node, so do
/// not drop it unless that is meant: await it, or spawn it.
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
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Progress::Done(result) => Poll::Ready(result.take().unwrap_or(Ok(()))),
            Progress::Pending(rest) => rest.as_mut().poll(cx),
        }
    }
}
