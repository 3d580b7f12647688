//! Streams from a client to a hub method.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use hubward_proto::RawValue;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::error::HubError;

/// Items that a client streams to a method. Take it as a parameter. It ends when the client completes the stream. It
/// yields one error where the client fails the stream, an item is not a `T`, or the connection closes midway.
///
/// At most [`stream_buffer_capacity`](crate::HubOptions::stream_buffer_capacity) items wait unread; then the client has
/// to wait (backpressure).
///
/// ```
/// use futures_util::StreamExt;
/// use hubward_hub::{HubError, Upload};
///
/// async fn sum(mut values: Upload<i64>) -> Result<i64, HubError> {
///     let mut total = 0;
///     while let Some(value) = values.next().await {
///         total += value?;
///     }
///     Ok(total)
/// }
/// ```
pub struct Upload<T> {
    items: mpsc::Receiver<Result<T, HubError>>,
    /// Set when the client has ended the stream. Items that stop without it mean that the connection has closed.
    complete: Arc<AtomicBool>,
    /// Whether the error for a closed connection has been yielded.
    closed_yielded: bool,
}

impl<T: DeserializeOwned + Send + 'static> Upload<T> {
    pub(crate) fn channel(capacity: usize) -> (Self, Box<dyn UploadSink>) {
        let (tx, items) = mpsc::channel(capacity.max(1));
        let complete = Arc::new(AtomicBool::new(false));
        let sink = Sink { items: PollSender::new(tx), complete: complete.clone() };
        (Self { items, complete, closed_yielded: false }, Box::new(sink))
    }
}

impl<T> Upload<T> {
    /// Waits for the next item; `None` after the last.
    ///
    /// # Errors
    /// [`HubError`] where the client failed the stream, the item is not a `T`, or the connection has closed.
    pub async fn next_item(&mut self) -> Option<Result<T, HubError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

/// A connection that closed in the middle of the stream.
#[derive(Debug, thiserror::Error)]
#[error("The underlying connection was closed.")]
struct ConnectionClosed;

impl<T> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match this.items.poll_recv(cx) {
            Poll::Ready(None) if !this.closed_yielded && !this.complete.load(Ordering::Acquire) => {
                this.closed_yielded = true;
                Poll::Ready(Some(Err(ConnectionClosed.into())))
            }
            poll => poll,
        }
    }
}

/// The engine's end of an upload. Dropping it before it is complete makes the upload yield an error. For engines.
pub trait UploadSink: Send {
    /// Waits for room for an item; ready, too, when the method has dropped the upload.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Decodes an item and queues it, after `poll_ready`. False ends the upload: the method has dropped it, or the item
    /// was not of its type, for which the method gets an error.
    fn push(&mut self, item: RawValue<'_>) -> bool;
    /// Ends the upload: cleanly, or (after `poll_ready`) with the client's error.
    fn complete(&mut self, error: Option<&str>);
}

struct Sink<T: Send> {
    items: PollSender<Result<T, HubError>>,
    complete: Arc<AtomicBool>,
}

impl<T: DeserializeOwned + Send + 'static> UploadSink for Sink<T> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.items.poll_reserve(cx).map(|_| ())
    }

    fn push(&mut self, item: RawValue<'_>) -> bool {
        match item.deserialize() {
            Ok(value) => self.items.send_item(Ok(value)).is_ok(),
            Err(error) => {
                tracing::debug!(%error, "An upload item is not of its stream's type.");
                self.complete(Some("Failed to bind Stream message."));
                false
            }
        }
    }

    fn complete(&mut self, error: Option<&str>) {
        if let Some(error) = error {
            // It fails only where the method has dropped the upload; then nobody misses the error.
            let _ = self.items.send_item(Err(HubError::shown(error)));
        }
        self.complete.store(true, Ordering::Release);
    }
}
