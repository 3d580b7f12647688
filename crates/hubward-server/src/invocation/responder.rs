//! Where the outcome of a call goes: into the caller's mailbox, as a completion or as a stream of items.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::StreamExt;
use hubward_hub::{FrameStream, HubConnection, HubError, Outcome};
use hubward_proto::{Frame, encode};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::failures::{self, HubPart};
use super::open_call::OpenCall;
use super::{error_text, panics};
use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::ControlMessage;
use crate::connection::open_stream::OpenStream;
use crate::engine::Engine;

/// Responds to one call.
pub(crate) struct Responder {
    pub(crate) engine: Arc<Engine>,
    pub(crate) handle: Arc<ConnectionHandle>,
    pub(crate) method: Arc<str>,
    /// The number of the call.
    pub(crate) call: u64,
    /// Present where the call goes on in a task of its own.
    pub(crate) open: Option<OpenCall>,
    /// The invocation id; `None` where the client wants no completion.
    pub(crate) id: Option<String>,
    /// What cancels the call, where it can be cancelled.
    pub(crate) cancellation: Option<CancellationToken>,
    /// Present where the call has streams. It is dropped last.
    pub(crate) _stream: Option<OpenStream>,
}

impl Responder {
    /// Sends the outcome, and releases the call's permit where it holds one.
    pub(crate) fn respond(mut self, outcome: Result<Outcome, HubError>, permit: Option<u64>) {
        let frame = match outcome {
            Ok(Outcome::Stream(stream)) => {
                let open = || OpenCall::begin(&self.handle, self.call, self.id.as_deref());
                self.open = self.open.take().or_else(|| Some(open()));
                let tasks = self.engine.context.tasks.clone();
                tasks.spawn(self.stream(stream).in_current_span());
                return;
            }
            Ok(Outcome::Done(frame)) => frame,
            Ok(_) => None,
            Err(error) => {
                let base = error_text::method_failed(&self.method);
                self.failed(HubPart::Method(&self.method), &base, error)
            }
        };
        if let (Some(id), Some(_)) = (&self.id, &self.cancellation) {
            self.handle.mailbox.complete(None, Some(ControlMessage::InvocationFinished(id.clone())));
        }
        let frame = frame.filter(|_| self.may_complete());
        self.handle.mailbox.complete(frame, permit.map(ControlMessage::CallEnded));
    }

    /// Whether the client waits for the completion: not where it has been sent another one.
    fn may_complete(&self) -> bool {
        self.open.as_ref().is_none_or(OpenCall::completes)
    }

    /// Logs a failure, and returns the completion with what the client may know of it.
    fn failed(&self, part: HubPart<'_>, base: &str, error: HubError) -> Option<Frame> {
        failures::report(&self.engine, &self.handle, part, &error);
        let frame = self.id.as_ref().map(|id| {
            let text = failures::wire_text(&self.engine, base, &error);
            encode::completion_error(self.handle.protocol, id, &text)
        });
        failures::discard(&self.engine, &self.handle, part, error);
        frame
    }

    /// Sends a stream's items as fast as the client reads them, until it ends, fails or is cancelled.
    async fn stream(self, stream: FrameStream) {
        let mut items = AssertUnwindSafe(stream).catch_unwind();
        let closed = self.handle.connection_closed();
        let cancelled = self.cancellation.clone().unwrap_or_default();
        // None where the connection has closed, and nobody is sent a completion.
        let outcome = loop {
            let item = tokio::select! {
                biased;
                () = cancelled.cancelled() => break Some(Ok(())),
                () = closed.cancelled() => break None,
                item = items.next() => item,
            };
            match item {
                None => break Some(Ok(())),
                Some(Ok(Ok(frame))) => {
                    if !self.handle.mailbox.room().await {
                        break None;
                    }
                    if cancelled.is_cancelled() {
                        break Some(Ok(()));
                    }
                    self.handle.mailbox.push(frame);
                }
                Some(Ok(Err(error))) => break Some(Err(error)),
                Some(Err(panic)) => break Some(Err(panics::panicked(panic))),
            }
        };
        let Some(outcome) = outcome else {
            return failures::discard(&self.engine, &self.handle, HubPart::Stream(&self.method), items);
        };
        // Dropped before the completion is sent, so that the stream's own Drop has run when the client receives it.
        let failed = outcome.err().or(panics::catch(|| drop(items)).err());
        let Some(id) = self.id.clone() else { return };
        let frame = match failed {
            None => Some(encode::completion_void(self.handle.protocol, &id)),
            Some(error) => self.failed(HubPart::Stream(&self.method), error_text::STREAM_FAILED, error),
        };
        let frame = frame.filter(|_| self.may_complete());
        self.handle.mailbox.complete(frame, Some(ControlMessage::InvocationFinished(id)));
    }
}

#[cfg(test)]
mod tests;
