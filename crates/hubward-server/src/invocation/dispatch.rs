//! From a client's call to a hub method: looked up, bound, guarded, run; and SignalR's texts for what fails.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{FutureExt, StreamExt};
use hubward_hub::{
    ArgumentError, BoxFuture, CallKind, FilterCall, FrameStream, HubContext, HubEngine, HubError, Incoming,
    MethodEntry, Next, Outcome, UploadSink,
};
use hubward_proto::{Frame, Invocation, Protocol, RawArguments};
use tokio_util::sync::CancellationToken;

use crate::connection::handle::Link;
use crate::connection::mailbox::Control;
use crate::hub::Engine;
use crate::invocation::running::Calls;

/// A call that is bound and may run when it has its permit.
pub(crate) struct Prepared {
    call: u64,
    entry: Arc<MethodEntry>,
    id: Option<String>,
    streaming: bool,
    stream_count: usize,
    run: BoxFuture<Result<Outcome, HubError>>,
    uploads: Vec<(String, Box<dyn UploadSink>)>,
    cancellation: Option<CancellationToken>,
}

impl Prepared {
    /// Calls with streams take no permit: one that waits for its upload must not hold up the reader. What the method
    /// is decides, not what the client sent with it.
    fn needs_permit(&self) -> bool {
        !self.streaming && self.entry.method.shape().uploads == 0
    }
}

/// What a connection's task lends to a dispatch.
pub(crate) struct Dispatch<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) hub: &'a Arc<dyn HubEngine>,
    pub(crate) link: &'a Arc<Link>,
    pub(crate) calls: &'a mut Calls,
}

impl Dispatch<'_> {
    /// Binds a call and runs it, or returns it where it has to wait for a permit.
    pub(crate) fn invoke(
        &mut self,
        cx: &mut Context<'_>,
        invocation: Invocation<'_>,
        streaming: bool,
    ) -> Option<Prepared> {
        let prepared = self.prepare(invocation, streaming)?;
        let permits = self.engine.definition.options.maximum_parallel_invocations;
        if prepared.needs_permit() && !self.calls.has_permit(permits) {
            return Some(prepared);
        }
        self.run(cx, prepared);
        None
    }

    fn prepare(&mut self, invocation: Invocation<'_>, streaming: bool) -> Option<Prepared> {
        let Invocation { headers, invocation_id, target, arguments, stream_ids } = invocation;
        let id = invocation_id.as_deref();
        let base = |target: &str| format!("Failed to invoke '{target}' due to an error on the server.");
        let Some(entry) = self.engine.definition.method(&target) else {
            self.fail(id, format!("{} HubException: Method does not exist.", base(&target)));
            return None;
        };
        let shape = entry.method.shape();
        let detailed = self.engine.definition.options.detailed_errors;
        let call = self.calls.next();
        let mut context = HubContext::new(self.link.clone(), self.hub.clone(), call);
        if !headers.is_empty() {
            let owned = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            context = context.with_headers(owned.collect());
        }
        let incoming = Incoming {
            context,
            protocol: self.link.protocol,
            invocation_id: id,
            arguments,
            stream_ids: &stream_ids,
            upload_capacity: self.engine.definition.options.stream_buffer_capacity,
        };
        let (given, wanted) = (arguments.len(), shape.arguments);
        let started = match entry.method.start(&incoming) {
            Ok(started) if given == wanted => started,
            bound => {
                // .NET's MessagePack counts before it binds, its JSON the other way round.
                let binds_first = self.link.protocol == Protocol::Json;
                let badly_bound = matches!(&bound, Err(ArgumentError::Type(_)));
                let detail = if given == wanted || (binds_first && badly_bound) {
                    "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.".to_owned()
                } else {
                    format!("Invocation provides {given} argument(s) but target expects {wanted}.")
                };
                let error = bound.err().map(tracing::field::display);
                tracing::debug!(method = %entry.name, error, detail, "A call does not fit its method.");
                let detail =
                    if detailed { format!(" InvalidDataException: {detail}") } else { String::new() };
                self.fail(id, base(&target) + &detail);
                return None;
            }
        };
        let entry = entry.clone();
        let run = filtered(self.engine, started.run, || {
            let context = incoming.context.clone();
            FilterCall::new(context, CallKind::Invocation, entry.name.clone(), arguments, id)
        });
        Some(Prepared {
            call,
            entry,
            id: id.map(str::to_owned),
            streaming,
            stream_count: stream_ids.len(),
            run,
            uploads: started.uploads,
            cancellation: started.cancellation,
        })
    }

    /// Checks what is checked once a call has its permit; the error is for the client.
    fn refuse(&self, prepared: &Prepared) -> Option<String> {
        let name = &prepared.entry.name;
        let shape = prepared.entry.method.shape();
        if !self.engine.may_call(name, &self.link.principal) {
            return Some(format!("Failed to invoke '{name}' because user is unauthorized"));
        }
        if prepared.streaming && !shape.streaming {
            return Some(format!(
                "The client attempted to invoke the non-streaming '{name}' method with a streaming invocation."
            ));
        }
        if !prepared.streaming && shape.streaming {
            return Some(format!(
                "The client attempted to invoke the streaming '{name}' method with a non-streaming invocation."
            ));
        }
        let unexpected = |text: String| {
            Some(format!(
                "An unexpected error occurred invoking '{name}' on the server. HubException: {text}"
            ))
        };
        let (sent, expected) = (prepared.stream_count, shape.uploads);
        if sent != expected {
            return unexpected(format!("Client sent {sent} stream(s), Hub method expects {expected}."));
        }
        if let Some((taken, _)) = prepared.uploads.iter().find(|(id, _)| self.calls.is_uploading(id)) {
            return unexpected(format!("Stream ID '{taken}' is already in use."));
        }
        let limit = self.engine.definition.options.streams_per_connection;
        let wanted = usize::from(prepared.streaming) + sent;
        if wanted > 0 && self.calls.open_streams() + wanted > limit {
            return unexpected(format!("A connection may have {limit} streams at once."));
        }
        let cancellable = prepared.streaming || prepared.cancellation.is_some();
        let taken = prepared.id.as_deref().filter(|id| cancellable && self.calls.is_running(id));
        taken.map(|id| format!("Invocation ID '{id}' is already in use."))
    }

    /// Runs a call that has its permit. Whatever is ready at once is answered at once; the rest goes on in a task
    /// of its own, which the connection's end does not cut short.
    pub(crate) fn run(&mut self, cx: &mut Context<'_>, mut prepared: Prepared) {
        if let Some(error) = self.refuse(&prepared) {
            tracing::debug!(method = %prepared.entry.name, %error, "A call was refused.");
            self.fail(prepared.id.as_deref(), error);
            return;
        }
        let holds_permit = prepared.needs_permit();
        let cancellation = match (prepared.streaming, prepared.cancellation.take()) {
            (true, None) => Some(CancellationToken::new()),
            (_, token) => token,
        };
        if let (Some(token), Some(id)) = (&cancellation, &prepared.id) {
            self.calls.add_running(id, token.clone());
        }
        for (id, sink) in prepared.uploads {
            self.calls.add_upload(id, sink);
        }
        let answer = Answer {
            engine: self.engine.clone(),
            link: self.link.clone(),
            method: prepared.entry.name.clone(),
            id: prepared.id,
            cancellation,
        };
        let call = prepared.call;
        let mut run = AssertUnwindSafe(prepared.run).catch_unwind();
        match run.poll_unpin(cx) {
            Poll::Ready(outcome) => answer.give(outcome.unwrap_or_else(|panic| Err(panicked(&*panic))), None),
            Poll::Pending => {
                if holds_permit {
                    self.calls.hold_permit(call);
                }
                let tasks = self.engine.node.tasks.clone();
                tasks.spawn(async move {
                    let outcome = run.await.unwrap_or_else(|panic| Err(panicked(&*panic)));
                    answer.give(outcome, holds_permit.then_some(call));
                });
            }
        }
    }

    fn fail(&self, id: Option<&str>, error: String) {
        if let Some(id) = id {
            self.link
                .mailbox
                .answer(Some(hubward_proto::encode::completion_error(self.link.protocol, id, &error)), None);
        }
    }
}

/// Puts the hub's filters around a call, the first one outermost.
pub(crate) fn filtered(
    engine: &Engine,
    run: BoxFuture<Result<Outcome, HubError>>,
    call: impl Fn() -> FilterCall,
) -> BoxFuture<Result<Outcome, HubError>> {
    engine.definition.filters.iter().rev().fold(run, |run, filter| filter(call(), Next::new(run)))
}

/// The call of a callback, which has no arguments and wants no answer.
pub(crate) fn callback(context: HubContext, protocol: Protocol) -> Incoming<'static> {
    const NO_STREAMS: &[Cow<'static, str>] = &[];
    Incoming {
        context,
        protocol,
        invocation_id: None,
        arguments: RawArguments::default(),
        stream_ids: NO_STREAMS,
        upload_capacity: 1,
    }
}

/// A panic in hub code: counted as a failure that the client learns nothing of.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> HubError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    tracing::error!(panic = text, "A hub method panicked.");
    #[derive(Debug, thiserror::Error)]
    #[error("the hub method panicked")]
    struct Panic;
    HubError::from(Panic)
}

/// Where the outcome of a call goes.
struct Answer {
    engine: Arc<Engine>,
    link: Arc<Link>,
    method: Arc<str>,
    id: Option<String>,
    cancellation: Option<CancellationToken>,
}

impl Answer {
    fn give(self, outcome: Result<Outcome, HubError>, permit: Option<u64>) {
        let frame = match outcome {
            Ok(Outcome::Stream(stream)) => {
                let tasks = self.engine.node.tasks.clone();
                tasks.spawn(self.stream(stream));
                return;
            }
            Ok(Outcome::Done(frame)) => frame,
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(method = %self.method, %error, "A hub method failed.");
                let base = format!("An unexpected error occurred invoking '{}' on the server.", self.method);
                self.error(&base, &error)
            }
        };
        if let (Some(id), Some(_)) = (&self.id, &self.cancellation) {
            self.link.mailbox.answer(None, Some(Control::Finished(id.clone())));
        }
        self.link.mailbox.answer(frame, permit.map(Control::Done));
    }

    fn error(&self, base: &str, error: &HubError) -> Option<Frame> {
        let text = error.wire_text(base, self.engine.definition.options.detailed_errors);
        self.id.as_ref().map(|id| hubward_proto::encode::completion_error(self.link.protocol, id, &text))
    }

    /// Sends a stream's items as the client takes them, until it ends, fails or is cancelled.
    async fn stream(self, stream: FrameStream) {
        use hubward_hub::HubConnection;
        let mut items = AssertUnwindSafe(stream).catch_unwind();
        let ended = self.link.ended();
        let cancelled = self.cancellation.clone().unwrap_or_default();
        let failed = loop {
            let item = tokio::select! {
                biased;
                () = cancelled.cancelled() => break None,
                () = ended.cancelled() => return,
                item = items.next() => item,
            };
            match item {
                None => break None,
                Some(Ok(Ok(frame))) => {
                    if !std::future::poll_fn(|cx| self.link.mailbox.poll_room(cx)).await {
                        return;
                    }
                    self.link.mailbox.push(frame);
                }
                Some(Ok(Err(error))) => break Some(error),
                Some(Err(panic)) => break Some(panicked(&*panic)),
            }
        };
        drop(items);
        let Some(id) = self.id.clone() else { return };
        let frame = match failed {
            None => Some(hubward_proto::encode::completion_void(self.link.protocol, &id)),
            Some(error) => {
                tracing::debug!(method = %self.method, %error, "A stream failed.");
                self.error("An error occurred on the server while streaming results.", &error)
            }
        };
        self.link.mailbox.answer(frame, Some(Control::Finished(id)));
    }
}
