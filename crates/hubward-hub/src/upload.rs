//! Streams from a client to a hub method.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use hubward_proto::RawValue;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::error::HubError;

/// Items that a client streams to a method. Take it as a parameter; it ends when the client completes the
/// stream, and yields one error where the client, or an item's type, failed.
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
    /// Set when the client has ended the stream; a stream that ends otherwise has lost its connection.
    complete: Arc<AtomicBool>,
    told: bool,
}

impl<T: DeserializeOwned + Send + 'static> Upload<T> {
    pub(crate) fn channel(capacity: usize) -> (Self, Box<dyn UploadSink>) {
        let (tx, items) = mpsc::channel(capacity.max(1));
        let complete = Arc::new(AtomicBool::new(false));
        let sink = Sink { items: PollSender::new(tx), complete: complete.clone() };
        (Self { items, complete, told: false }, Box::new(sink))
    }
}

impl<T> Upload<T> {
    /// Waits for the next item.
    ///
    /// # Errors
    /// What the client ended the stream with, or an item that was not a `T`.
    pub async fn next_item(&mut self) -> Option<Result<T, HubError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

/// A client that went away in the middle of its stream.
#[derive(Debug, thiserror::Error)]
#[error("The underlying connection was closed.")]
struct ConnectionClosed;

impl<T> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match this.items.poll_recv(cx) {
            Poll::Ready(None) if !this.told && !this.complete.load(Ordering::Acquire) => {
                this.told = true;
                Poll::Ready(Some(Err(ConnectionClosed.into())))
            }
            poll => poll,
        }
    }
}

/// The engine's end of an upload. Dropped before it is complete, it tells the method that the client has gone.
/// For engines.
pub trait UploadSink: Send {
    /// Waits for room; ready also where nobody reads any more.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Decodes an item and passes it on, after `poll_ready`. False ends the upload: nobody reads it, or the item
    /// was not of its type, which the method has been told.
    fn push(&mut self, item: RawValue<'_>) -> bool;
    /// Ends the upload: in good order, or (after `poll_ready`) with the client's error.
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
            // Nobody may be reading; then nobody misses the error.
            let _ = self.items.send_item(Err(HubError::shown(error)));
        }
        self.complete.store(true, Ordering::Release);
    }
}
