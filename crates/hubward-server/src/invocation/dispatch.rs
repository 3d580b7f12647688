//! From a client's invocation to a hub method: looked up, bound, authorized, and run within its permit.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use hubward_hub::{
    ArgumentError, BoxFuture, CallKind, FilterCall, HubContext, HubEngine, HubError, IncomingInvocation,
    MethodEntry, Outcome, UploadSink,
};
use hubward_proto::{Headers, Invocation, Protocol, encode};
use hubward_types::{TraceContext, brief_display, brief_name};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::failures::{self, HubPart};
use super::open_call::OpenCall;
use super::permits::CallLimits;
use super::responder::Responder;
use super::running::RunningCalls;
use super::{error_text, filters, panics};
use crate::connection::handle::ConnectionHandle;
use crate::connection::open_stream::OpenStream;
use crate::engine::Engine;

/// A call whose arguments are bound; it may run when it has its permit.
pub(crate) struct BoundCall {
    call: u64,
    entry: Arc<MethodEntry>,
    id: Option<String>,
    streaming: bool,
    stream_count: usize,
    /// None where the call belongs to no trace.
    span: Span,
    run: BoxFuture<'static, Result<Outcome, HubError>>,
    uploads: Vec<(String, Box<dyn UploadSink>)>,
    cancellation: Option<CancellationToken>,
}

impl BoundCall {
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
    pub(crate) handle: &'a Arc<ConnectionHandle>,
    pub(crate) calls: &'a mut RunningCalls,
}

impl Dispatch<'_> {
    /// Binds a call and runs it, or returns it where it has to wait for a permit.
    pub(crate) fn invoke(
        &mut self,
        cx: &mut Context<'_>,
        invocation: Invocation<'_>,
        streaming: bool,
    ) -> Option<BoundCall> {
        let bound = self.bind(invocation, streaming)?;
        if bound.needs_permit() && !self.calls.permits.may_start(self.limits()) {
            return Some(bound);
        }
        self.run(cx, bound);
        None
    }

    /// Finds the method and binds the arguments; `None` where that failed, and the client has been sent the error.
    fn bind(&mut self, invocation: Invocation<'_>, streaming: bool) -> Option<BoundCall> {
        let Invocation { headers, invocation_id, target, arguments, stream_ids } = invocation;
        let id = invocation_id.as_deref();
        let Some(entry) = self.engine.definition.method(&target) else {
            self.fail(id, &error_text::unknown_method(&target));
            return None;
        };
        let call = self.calls.next();
        let trace = trace_of(&headers);
        let span = trace.as_ref().map_or_else(Span::none, |trace| self.span(&entry.name, trace));
        let entered = span.enter();
        let incoming = IncomingInvocation {
            context: self.context(call, &headers, trace),
            protocol: self.handle.protocol,
            invocation_id: id,
            arguments,
            stream_ids: &stream_ids,
            upload_capacity: self.engine.definition.options.stream_buffer_capacity,
        };
        let (given, expected) = (arguments.len(), entry.method.shape().arguments);
        let started = match panics::catch(|| entry.method.start(&incoming)) {
            Ok(Ok(started)) if given == expected => started,
            Ok(failed) => {
                let error = failed.map(|started| self.discard(entry, started)).err();
                self.fail_to_bind(id, &target, entry, error, (given, expected));
                return None;
            }
            Err(panic) => {
                failures::report(self.engine, self.handle, HubPart::Method(&entry.name), &panic);
                let base = error_text::method_failed(&entry.name);
                self.fail(id, &failures::wire_text(self.engine, &base, &panic));
                return None;
            }
        };
        let run = filters::filtered(self.engine, started.run, || {
            let context = incoming.context.clone();
            FilterCall::new(context, CallKind::Invocation, entry.name.clone(), arguments, id)
        });
        drop(entered);
        Some(BoundCall {
            call,
            entry: entry.clone(),
            id: id.map(str::to_owned),
            streaming,
            stream_count: stream_ids.len(),
            span,
            run,
            uploads: started.uploads,
            cancellation: started.cancellation,
        })
    }

    fn context(&self, call: u64, headers: &Headers<'_>, trace: Option<TraceContext>) -> HubContext {
        let mut context = HubContext::new(self.handle.clone(), self.hub.clone(), call);
        if !headers.is_empty() {
            let owned = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            context = context.with_headers(owned.collect());
        }
        match trace {
            Some(trace) => context.with_trace_context(trace),
            None => context,
        }
    }

    /// What the hub's code logs during a call of a trace is logged as a part of that.
    fn span(&self, method: &str, trace: &TraceContext) -> Span {
        let (hub, connection_id) = (self.engine.name(), self.handle.logged_id());
        let (trace_id, parent_id) = (trace.trace_id(), trace.parent_id());
        tracing::info_span!("hub_invocation", %hub, method, %connection_id, %trace_id, %parent_id)
    }

    fn fail_to_bind(
        &self,
        id: Option<&str>,
        target: &str,
        entry: &MethodEntry,
        error: Option<ArgumentError>,
        (given, expected): (usize, usize),
    ) {
        // .NET's MessagePack reader counts the arguments before it binds them; its JSON reader binds them first.
        let binds_first = self.handle.protocol == Protocol::Json;
        let badly_bound = matches!(error, Some(ArgumentError::Type(_)));
        let detail = if given == expected || (binds_first && badly_bound) {
            error_text::BINDING_FAILED.to_owned()
        } else {
            error_text::wrong_argument_count(given, expected)
        };
        let error = error.map(|error| tracing::field::display(brief_display(error)));
        let (hub, connection_id) = (self.engine.name(), self.handle.logged_id());
        let user = self.handle.principal.user_id().map(|user| brief_name(user.as_str()));
        let (method, user) = (&entry.name, user.as_deref());
        tracing::debug!(%hub, %method, %connection_id, user, error, detail, "A call does not fit its method.");
        let detailed = self.engine.definition.options.detailed_errors;
        self.fail(id, &error_text::not_bound(target, detailed.then_some(detail.as_str())));
    }

    fn limits(&self) -> CallLimits {
        CallLimits::of(&self.engine.definition.options)
    }

    /// Drops what belongs to a call that does not run: values of the hub's own types.
    fn discard(&self, entry: &MethodEntry, call: impl Sized) {
        failures::discard(self.engine, self.handle, HubPart::Method(&entry.name), call);
    }

    /// Checks the method's policies. One that panics allows nothing.
    fn may_call(&self, name: &str) -> bool {
        panics::catch(|| self.engine.may_call(name, &self.handle.principal)).unwrap_or_else(|panic| {
            failures::report(self.engine, self.handle, HubPart::Method(name), &panic);
            false
        })
    }

    /// Checks a call that has its permit, in SignalR's order of checks; the error is for the client.
    fn check(&self, bound: &BoundCall) -> Result<(), String> {
        let name = &bound.entry.name;
        let shape = bound.entry.method.shape();
        if !self.may_call(name) {
            return Err(error_text::unauthorized(name));
        }
        if bound.streaming && !shape.streaming {
            return Err(error_text::not_streaming(name));
        }
        if !bound.streaming && shape.streaming {
            return Err(error_text::streaming(name));
        }
        let (sent, expected) = (bound.stream_count, shape.uploads);
        if sent != expected {
            return Err(error_text::wrong_stream_count(name, sent, expected));
        }
        if let Some((taken, _)) = bound.uploads.iter().find(|(id, _)| self.calls.is_uploading(id)) {
            return Err(error_text::stream_id_in_use(name, taken));
        }
        let limits = self.limits();
        if bound.needs_permit() && self.calls.permits.is_full(limits) {
            return Err(error_text::too_many_calls(name, limits.total));
        }
        let limit = self.engine.definition.options.streams_per_connection;
        let wanted = usize::from(bound.streaming) + sent;
        if wanted > 0 && self.calls.open_streams() + wanted > limit {
            return Err(error_text::too_many_streams(name, limit));
        }
        let cancellable = bound.streaming || bound.cancellation.is_some();
        match bound.id.as_deref().filter(|id| cancellable && self.calls.is_running(id)) {
            Some(id) => Err(error_text::invocation_id_in_use(id)),
            None => Ok(()),
        }
    }

    /// Fails a call that does not run.
    pub(crate) fn refuse(&self, bound: BoundCall, error: &str) {
        self.fail(bound.id.as_deref(), error);
        let entry = bound.entry.clone();
        self.discard(&entry, bound);
    }

    /// Runs a call that has its permit. What is ready at once is completed at once; anything else continues in a task
    /// of its own, which the end of the connection does not cancel.
    pub(crate) fn run(&mut self, cx: &mut Context<'_>, bound: BoundCall) {
        bound.span.clone().in_scope(|| self.run_in_span(cx, bound));
    }

    fn run_in_span(&mut self, cx: &mut Context<'_>, mut bound: BoundCall) {
        if let Err(error) = self.check(&bound) {
            tracing::debug!(method = %bound.entry.name, error = %brief_display(&error), "A call was refused.");
            self.refuse(bound, &error);
            return;
        }
        let holds_permit = bound.needs_permit();
        let cancellation = match (bound.streaming, bound.cancellation.take()) {
            (true, None) => Some(CancellationToken::new()),
            (_, token) => token,
        };
        if let (Some(token), Some(id)) = (&cancellation, &bound.id) {
            self.calls.add_running(id, token.clone());
        }
        for (id, sink) in bound.uploads {
            self.calls.add_upload(id, sink);
        }
        let call = bound.call;
        let mut responder = Responder {
            engine: self.engine.clone(),
            handle: self.handle.clone(),
            method: bound.entry.name.clone(),
            call,
            open: None,
            id: bound.id,
            cancellation,
            _stream: (!holds_permit).then(|| OpenStream::begin(self.handle)),
        };
        let mut run = panics::catch_panic(bound.run);
        match run.poll_unpin(cx) {
            Poll::Ready(outcome) => responder.respond(outcome, None),
            Poll::Pending => {
                if holds_permit {
                    self.calls.permits.hold(call);
                }
                responder.open = Some(OpenCall::begin(self.handle, call, responder.id.as_deref()));
                let tasks = self.engine.context.tasks.clone();
                let rest = async move {
                    let outcome = run.await;
                    responder.respond(outcome, holds_permit.then_some(call));
                };
                tasks.spawn(rest.instrument(bound.span));
            }
        }
    }

    fn fail(&self, id: Option<&str>, error: &str) {
        if let Some(id) = id {
            let frame = encode::completion_error(self.handle.protocol, id, error);
            self.handle.mailbox.complete(Some(frame), None);
        }
    }
}

/// The trace that a call belongs to, by the headers that ASP.NET Core reads, too.
fn trace_of(headers: &Headers<'_>) -> Option<TraceContext> {
    let trace = TraceContext::parse(headers.get("traceparent")?)?;
    Some(match headers.get("tracestate") {
        Some(state) => trace.with_state(state),
        None => trace,
    })
}

#[cfg(test)]
mod tests;
