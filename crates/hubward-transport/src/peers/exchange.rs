//! The bodies of a request to another node and of its response. The connection goes back to the pool when both have come to
//! their end; before, dropping the response closes it, so that the other node learns that nobody waits any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::connection::{PeerConnection, over};
use super::pool::Pool;

/// What another node answered to a client's request.
pub(crate) enum Answer {
    Response(http::Response<Body>),
    /// A WebSocket: the head of the response, and the socket that follows.
    Upgraded(http::response::Parts, OnUpgrade, Cut),
}

/// When what another node transports breaks off. Holds what it needs meanwhile.
pub(crate) struct Cut {
    pub(super) gone: CancellationToken,
    pub(super) stop: CancellationToken,
    pub(super) _connection: PeerConnection,
    pub(super) _permit: Permit,
}

/// Leave for a client's request to be on its way.
pub(super) struct Permit {
    pub(super) _one: OwnedSemaphorePermit,
    pub(super) _lasting: Option<OwnedSemaphorePermit>,
}

impl Cut {
    /// Runs what transports, until it breaks off at the latest.
    pub(crate) async fn or_until_cut(self, transporting: impl Future<Output = ()>) {
        tokio::select! {
            () = over(self.gone.clone(), self.stop.clone()) => {}
            () = transporting => {}
        }
    }
}

/// A request's body.
pub(super) struct SentBody {
    pub(super) body: Body,
    /// Set when nobody reads it any more.
    pub(super) done: Arc<AtomicBool>,
}

impl Drop for SentBody {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
    }
}

/// A response's body.
pub(super) struct ReceivedBody {
    incoming: Incoming,
    /// Taken when it has come to its end.
    held: Option<Held>,
}

struct Held {
    connection: PeerConnection,
    pool: Arc<Pool>,
    sent: Arc<AtomicBool>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: Permit,
}

/// Why a response broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenOff {
    #[error("the node that answered has gone, or this one ends")]
    Cut,
    #[error(transparent)]
    Lost(#[from] hyper::Error),
}

impl ReceivedBody {
    pub(super) fn new(
        incoming: Incoming,
        connection: PeerConnection,
        pool: Arc<Pool>,
        sent: Arc<AtomicBool>,
        permit: Permit,
    ) -> Self {
        let cut = Box::pin(connection.cut.clone().cancelled_owned());
        let held = Held { connection, pool, sent, cut, _permit: permit };
        let mut body = Self { incoming, held: Some(held) };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    /// Gives the connection back. One whose request was not read to its end cannot be used again.
    fn release(&mut self) {
        if let Some(held) = self.held.take()
            && held.sent.load(Ordering::Acquire)
        {
            held.pool.put(held.connection);
        }
    }
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        // First: a connection that is dropped looks like the end of the body.
        if let Some(held) = &mut self.held
            && held.cut.as_mut().poll(cx).is_ready()
        {
            self.held = None;
            return Poll::Ready(Some(Err(BrokenOff::Cut)));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => {
                if self.held.as_ref().is_some_and(|held| held.connection.cut.is_cancelled()) {
                    self.held = None;
                    return Poll::Ready(Some(Err(BrokenOff::Cut)));
                }
                self.release();
            }
            Poll::Ready(Some(Err(_))) => self.held = None,
            Poll::Ready(Some(Ok(_))) if self.incoming.is_end_stream() => self.release(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(BrokenOff::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl HttpBody for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
