//! The bodies of a served connection's requests and responses: they note when a body is awaited and when a response
//! ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::deadlines::SocketDeadlines;

/// A request's body.
pub(super) struct RequestBody {
    incoming: Incoming,
    deadlines: Arc<SocketDeadlines>,
    /// Whether all of it was read.
    is_read: bool,
}

/// A response's body.
pub(super) struct ResponseBody {
    pub(super) body: Body,
    pub(super) _ends: ResponseEnd,
}

/// Notes the end of a response when it is dropped.
pub(super) struct ResponseEnd(pub(super) Arc<SocketDeadlines>);

impl Drop for ResponseEnd {
    fn drop(&mut self) {
        self.0.response_ends();
    }
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, deadlines: Arc<SocketDeadlines>) -> Self {
        Self { incoming, deadlines, is_read: false }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match polled {
            Poll::Pending => self.deadlines.body_awaited(),
            Poll::Ready(_) => self.deadlines.body_came(),
        }
        self.is_read |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    /// Nobody waits any more.
    fn drop(&mut self) {
        self.deadlines.body_came();
        if !self.is_read && !self.incoming.is_end_stream() {
            self.deadlines.body_left();
        }
    }
}

impl HttpBody for ResponseBody {
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
