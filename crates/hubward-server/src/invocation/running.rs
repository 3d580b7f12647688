//! The calls of one connection that are running: their permits, and which streams and uploads are open.

use std::collections::HashMap;
use std::task::{Context, Poll};

use hubward_hub::{HubError, UploadSink};
use hubward_proto::{Protocol, RawValue};
use tokio_util::sync::CancellationToken;

use super::panics;
use super::permits::Permits;

/// Running calls. What few connections need is boxed, so that an idle one stays small.
#[derive(Default)]
pub(crate) struct RunningCalls {
    next: u64,
    pub(crate) permits: Permits,
    streams: Option<Box<Streams>>,
}

#[derive(Default)]
struct Streams {
    /// Streams to the client, and calls that may be cancelled, by invocation id.
    running: HashMap<String, CancellationToken>,
    uploads: HashMap<String, Box<dyn UploadSink>>,
    /// What an upload had no room for; reading pauses until it has.
    held: Option<Held>,
}

/// A part of an upload that waits for room.
struct Held {
    upload: String,
    part: UploadPart,
}

/// A part of an upload, owned.
enum UploadPart {
    Item(Protocol, Vec<u8>),
    Failed(String),
}

impl RunningCalls {
    /// Numbers a call.
    pub(crate) fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Streams and uploads that are open.
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.as_ref().map_or(0, |streams| streams.running.len() + streams.uploads.len())
    }

    pub(crate) fn is_running(&self, id: &str) -> bool {
        self.streams.as_ref().is_some_and(|streams| streams.running.contains_key(id))
    }

    pub(crate) fn is_uploading(&self, id: &str) -> bool {
        self.streams.as_ref().is_some_and(|streams| streams.uploads.contains_key(id))
    }

    pub(crate) fn add_running(&mut self, id: &str, cancellation: CancellationToken) {
        self.streams.get_or_insert_default().running.insert(id.to_owned(), cancellation);
    }

    pub(crate) fn add_upload(&mut self, id: String, sink: Box<dyn UploadSink>) {
        self.streams.get_or_insert_default().uploads.insert(id, sink);
    }

    /// Removes a call that has finished.
    pub(crate) fn finished(&mut self, id: &str) {
        if let Some(streams) = &mut self.streams {
            streams.running.remove(id);
            self.tidy();
        }
    }

    /// Cancels a call; one that is not running is ignored.
    pub(crate) fn cancel(&mut self, id: &str) {
        if let Some(token) = self.streams.as_ref().and_then(|streams| streams.running.get(id)) {
            token.cancel();
        }
    }

    /// Cancels all calls and drops all uploads, because the connection closes. No call waits for a permit any more.
    pub(crate) fn cancel_all(&mut self) {
        self.permits.close();
        if let Some(streams) = self.streams.take() {
            streams.running.values().for_each(CancellationToken::cancel);
        }
    }

    /// Cancels what can be cancelled of the calls that run, and forgets none.
    pub(crate) fn cancel_running(&self) {
        if let Some(streams) = &self.streams {
            streams.running.values().for_each(CancellationToken::cancel);
        }
    }

    /// Ends all uploads with this error. One that has no room for it ends as if the connection had closed.
    pub(crate) fn fail_uploads(&mut self, cx: &mut Context<'_>, error: &str) {
        let Some(streams) = &mut self.streams else { return };
        streams.held = None;
        for (_, mut sink) in streams.uploads.drain() {
            if sink.poll_ready(cx).is_ready() {
                sink.complete(Some(error));
            }
        }
        self.tidy();
    }

    /// Passes an item on. One that finds no room is held, and reading must pause until [`RunningCalls::poll_held`] is
    /// ready.
    ///
    /// # Errors
    /// Decoding the item panicked; the upload has ended with an error.
    pub(crate) fn upload_item(
        &mut self,
        cx: &mut Context<'_>,
        id: &str,
        item: RawValue<'_>,
    ) -> Result<(), HubError> {
        let Some(streams) = &mut self.streams else { return Ok(()) };
        let Some(sink) = streams.uploads.get_mut(id) else { return Ok(()) };
        if sink.poll_ready(cx).is_pending() {
            let part = UploadPart::Item(item.protocol(), item.bytes().to_vec());
            streams.held = Some(Held { upload: id.to_owned(), part });
            return Ok(());
        }
        let pushed = push(&mut **sink, item);
        if !matches!(pushed, Ok(true)) {
            streams.uploads.remove(id);
            self.tidy();
        }
        pushed.map(|_| ())
    }

    /// Ends an upload; true where there was one of this id.
    pub(crate) fn complete_upload(&mut self, cx: &mut Context<'_>, id: &str, error: Option<&str>) -> bool {
        let Some(streams) = &mut self.streams else { return false };
        let Some(sink) = streams.uploads.get_mut(id) else { return false };
        match error {
            Some(error) if sink.poll_ready(cx).is_pending() => {
                let part = UploadPart::Failed(error.to_owned());
                streams.held = Some(Held { upload: id.to_owned(), part });
            }
            error => {
                sink.complete(error);
                streams.uploads.remove(id);
                self.tidy();
            }
        }
        true
    }

    pub(crate) fn holds_item(&self) -> bool {
        self.streams.as_ref().is_some_and(|streams| streams.held.is_some())
    }

    /// Passes on what had no room, when there is some.
    ///
    /// # Errors
    /// As [`RunningCalls::upload_item`].
    pub(crate) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HubError>> {
        let Some(streams) = &mut self.streams else { return Poll::Ready(Ok(())) };
        let Some(held) = streams.held.take() else { return Poll::Ready(Ok(())) };
        let Some(sink) = streams.uploads.get_mut(&held.upload) else { return Poll::Ready(Ok(())) };
        if sink.poll_ready(cx).is_pending() {
            streams.held = Some(held);
            return Poll::Pending;
        }
        let pushed = match &held.part {
            UploadPart::Item(protocol, bytes) => push(&mut **sink, RawValue::new(*protocol, bytes)),
            UploadPart::Failed(error) => {
                sink.complete(Some(error));
                Ok(false)
            }
        };
        if !matches!(pushed, Ok(true)) {
            streams.uploads.remove(&held.upload);
            self.tidy();
        }
        Poll::Ready(pushed.map(|_| ()))
    }

    fn tidy(&mut self) {
        let empty = |streams: &Streams| {
            streams.running.is_empty() && streams.uploads.is_empty() && streams.held.is_none()
        };
        if self.streams.as_deref().is_some_and(empty) {
            self.streams = None;
        }
    }
}

/// Decodes an item, which is code of the hub's types. False where the upload has ended.
fn push(sink: &mut dyn UploadSink, item: RawValue<'_>) -> Result<bool, HubError> {
    let pushed = panics::catch(|| sink.push(item));
    if pushed.is_err() {
        sink.fail();
    }
    pushed
}

#[cfg(test)]
mod tests;
