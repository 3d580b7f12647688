//! Streams from a client to a hub method.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use hubward_proto::RawValue;
use hubward_types::brief_display;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::PollSender;

use crate::error::{ConnectionClosed, HubError};

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
        let (tx, items) = mpsc::channel(capacity.clamp(1, Semaphore::MAX_PERMITS));
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
    /// Ends the upload, after `poll_ready`, with the error of an item that is not of its type.
    fn fail(&mut self);
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
                tracing::debug!(error = %brief_display(error), "An upload item is not of its stream's type.");
                self.fail();
                false
            }
        }
    }

    fn fail(&mut self) {
        self.complete(Some("Failed to bind Stream message."));
    }

    fn complete(&mut self, error: Option<&str>) {
        if let Some(error) = error {
            // It fails only where the method has dropped the upload, and does not want the error.
            let _ = self.items.send_item(Err(HubError::shown(error)));
        }
        self.complete.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hubward_proto::Protocol;

    use super::*;

    fn item(json: &str) -> RawValue<'_> {
        RawValue::new(Protocol::Json, json.as_bytes())
    }

    async fn push(sink: &mut Box<dyn UploadSink>, json: &str) -> bool {
        std::future::poll_fn(|cx| sink.poll_ready(cx)).await;
        sink.push(item(json))
    }

    async fn rest(mut upload: Upload<i64>) -> Vec<Result<i64, Option<String>>> {
        let mut items = Vec::new();
        while let Some(item) = upload.next_item().await {
            items.push(item.map_err(|error| error.shown_text().map(str::to_owned)));
        }
        items
    }

    #[tokio::test]
    async fn an_upload_that_the_client_completes_ends_without_an_error() {
        let (upload, mut sink) = Upload::channel(2);
        assert!(push(&mut sink, "1").await && push(&mut sink, "2").await);
        sink.complete(None);
        drop(sink);
        assert_eq!(rest(upload).await, [Ok(1), Ok(2)]);
    }

    #[tokio::test]
    async fn an_upload_whose_connection_closes_yields_one_hidden_error() {
        let (upload, mut sink) = Upload::channel(2);
        assert!(push(&mut sink, "1").await);
        drop(sink);
        assert_eq!(rest(upload).await, [Ok(1), Err(None)]);
    }

    #[tokio::test]
    async fn an_error_of_the_client_or_an_item_of_another_type_ends_the_upload() {
        let (upload, mut sink) = Upload::channel(2);
        std::future::poll_fn(|cx| sink.poll_ready(cx)).await;
        sink.complete(Some("no more"));
        drop(sink);
        assert_eq!(rest(upload).await, [Err(Some("no more".to_owned()))]);

        let (upload, mut sink) = Upload::channel(2);
        assert!(!push(&mut sink, "\"one\"").await);
        drop(sink);
        assert_eq!(rest(upload).await, [Err(Some("Failed to bind Stream message.".to_owned()))]);
    }

    #[tokio::test]
    async fn a_full_upload_makes_its_sender_wait() {
        let (mut upload, mut sink) = Upload::<i64>::channel(1);
        assert!(push(&mut sink, "1").await);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sink.poll_ready(&mut cx).is_pending());
        assert_eq!(upload.next_item().await.and_then(Result::ok), Some(1));
        assert!(sink.poll_ready(&mut cx).is_ready());
    }
}
