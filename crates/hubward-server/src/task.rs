//! The task that owns a connection: its pipe, session and timer. All others reach it through its mailbox.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use hubward_hub::{
    ArgumentError, BoxFuture, CallKind, FilterCall, HubContext, HubEngine, HubError, Method, Outcome,
};
use hubward_proto::{Event, Frame, Protocol, RawArguments, Session};
use hubward_transport::{Connection, End, Pipe, PipeError, Received, Registration, RequestInfo, Transport};
use hubward_types::{ConnectionId, Principal};
use tokio::time::Sleep;

use crate::batch::WakeBatch;
use crate::calls::Calls;
use crate::close::{CloseReason, Loudness};
use crate::dispatch::{self, Dispatch, Prepared};
use crate::engine::Engine;
use crate::link::{Link, Reply};
use crate::mailbox::{Control, Mailbox};
use crate::membership;
use crate::scratch;

/// How much is fetched, and not read, while reading rests: as much as SignalR's pipes hold before they pause.
const RESTING_BYTES: usize = 64 * 1024;

/// Rounds of work in one poll before others get their turn.
const ROUNDS: usize = 32;

/// A connection's task.
pub(crate) struct Task {
    engine: Arc<Engine>,
    hub: Arc<dyn HubEngine>,
    session: Session,
    pipe: Option<Pipe>,
    registration: Registration,
    opened: Box<Opened>,
    link: Option<Arc<Link>>,
    /// What the hub does on connecting; calls are read when it is done.
    connecting: Option<BoxFuture<Result<(), HubError>>>,
    /// A call that waits for a permit; reading rests meanwhile.
    waiting: Option<Prepared>,
    calls: Calls,
    /// Input that is not a whole message yet, or was not read while reading rested.
    rest: Vec<u8>,
    /// Whether reading rested before it came to the end of `rest`.
    rested: bool,
    /// Messages on their way to the pipe.
    outgoing: VecDeque<Frame>,
    controls: Vec<Control>,
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` is set to end.
    alarm: Instant,
    expires: Option<Instant>,
}

/// What is needed of the transport's connection until the handshake is done, or at the end.
struct Opened {
    id: ConnectionId,
    principal: Principal,
    request: Arc<RequestInfo>,
    transport: Transport,
}

/// Later than any connection lives: what no deadline looks like.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

impl Task {
    pub(crate) fn new(engine: Arc<Engine>, connection: Connection) -> Self {
        let now = Instant::now();
        let Connection { id, principal, request, transport, stateful, pipe, registration, .. } = connection;
        let config = engine.sessions.get(transport, stateful);
        let expires = principal
            .expires_at()
            .filter(|_| engine.definition.options.close_on_authentication_expiration)
            .map(|at| now + at.duration_since(SystemTime::now()).unwrap_or_default().min(NEVER));
        let alarm = now + NEVER;
        Self {
            hub: engine.clone().shared(),
            session: Session::server(config, now),
            pipe: Some(pipe),
            registration,
            opened: Box::new(Opened { id, principal, request, transport }),
            link: None,
            connecting: None,
            waiting: None,
            calls: Calls::default(),
            rest: Vec::new(),
            rested: false,
            outgoing: VecDeque::new(),
            controls: Vec::new(),
            sleep: Box::pin(tokio::time::sleep_until(alarm.into())),
            alarm,
            expires,
            engine,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let reason = match self.serve_handshake().await {
            Ok(()) => std::future::poll_fn(|cx| self.poll_serve(cx)).await,
            Err(reason) => reason,
        };
        self.finish(reason).await;
    }

    /// Until its handshake is done, a connection is not in the index: the node's leaving is awaited here.
    async fn serve_handshake(&mut self) -> Result<(), CloseReason> {
        let shutdown = self.engine.node.shutdown.clone();
        let mut leaving = Box::pin(shutdown.cancelled());
        std::future::poll_fn(|cx| {
            if leaving.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(CloseReason::Shutdown));
            }
            match self.poll_serve(cx) {
                Poll::Ready(reason) => Poll::Ready(Err(reason)),
                Poll::Pending if self.link.is_some() => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let _batch = WakeBatch::open();
        for _ in 0..ROUNDS {
            match self.poll_round(cx) {
                Ok(true) => {}
                Ok(false) => return self.poll_alarm(cx),
                Err(reason) => return Poll::Ready(reason),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One round of whatever there is to do; false where nothing is.
    fn poll_round(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut busy = self.poll_resumed(cx);
        busy |= self.poll_connecting(cx)?;
        busy |= self.poll_input(cx)?;
        busy |= self.poll_mailbox(cx)?;
        busy |= self.poll_output(cx)?;
        Ok(busy)
    }

    /// A client that came back on another WebSocket takes over at once.
    fn poll_resumed(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.session.is_stateful() {
            return false;
        }
        let Poll::Ready(pipe) = self.registration.poll_resumed(cx) else { return false };
        let now = Instant::now();
        if self.pipe.replace(pipe).is_some() {
            self.session.disconnected(now);
        }
        // What was on its way to the old pipe is kept by the session, and comes again from there.
        self.outgoing.clear();
        self.forget_input();
        self.session.reconnected(now);
        true
    }

    fn poll_connecting(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(connecting) = &mut self.connecting else { return Ok(false) };
        let Poll::Ready(connected) = connecting.as_mut().poll(cx) else { return Ok(false) };
        self.connecting = None;
        if let Err(error) = connected {
            let detailed = self.engine.definition.options.detailed_errors;
            return Err(CloseReason::Refused(error.wire_text("Connection closed with an error.", detailed)));
        }
        if let Some(link) = &self.link {
            link.start_reading();
        }
        Ok(true)
    }

    /// Whether calls may be read: not while the hub connects, a call waits for its permit, or an upload for room.
    fn reads(&self) -> bool {
        self.connecting.is_none() && self.waiting.is_none() && !self.calls.holds_item()
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut busy = false;
        if self.calls.holds_item() && self.calls.poll_held(cx).is_ready() {
            busy = true;
        }
        let permits = self.engine.definition.options.maximum_parallel_invocations;
        if let Some(prepared) = self.waiting.take_if(|_| self.calls.has_permit(permits)) {
            busy = true;
            self.with_dispatch(|dispatch| dispatch.run(cx, prepared));
        }
        if !self.reads() {
            return Ok(busy | self.watch_pipe(cx)?);
        }
        // What was left while reading rested is read before more is fetched.
        let rested = std::mem::take(&mut self.rested);
        if rested {
            self.session.set_dispatching(Instant::now(), false);
        }
        scratch::with(|input| {
            input.append(&mut self.rest);
            let mut end = None;
            let received = match &mut self.pipe {
                _ if rested => Poll::Ready(Received::Data),
                Some(pipe) => pipe.poll_receive(cx, input),
                None => Poll::Pending,
            };
            match received {
                Poll::Pending => {
                    self.rest.extend_from_slice(input);
                    return Ok(busy);
                }
                Poll::Ready(Received::Data) => {}
                Poll::Ready(Received::End(how)) => end = Some(how),
            }
            let used = self.read(cx, input)?;
            self.rest.extend_from_slice(input.get(used..).unwrap_or_default());
            match end {
                None => Ok(true),
                Some(End::Closed { .. }) => Err(CloseReason::TransportClosed),
                Some(End::Violated { .. }) => Err(CloseReason::TransportViolated),
                Some(_) => self.lost(),
            }
        })
    }

    /// While a call waits for its permit, or an upload for room, what comes is fetched up to a bound all the same: else
    /// nobody would notice that the client has gone, and a call that waits for just that would wait for ever.
    fn watch_pipe(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        while self.connecting.is_none() && self.rest.len() < RESTING_BYTES {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.poll_receive(cx, &mut self.rest) {
                Poll::Pending => break,
                Poll::Ready(Received::Data) => {}
                Poll::Ready(Received::End(End::Closed { .. })) => {
                    // What it said before it closed is still read, in its turn.
                    if let Some(link) = &self.link {
                        link.leave();
                    }
                    break;
                }
                Poll::Ready(Received::End(End::Violated { .. })) => {
                    return Err(CloseReason::TransportViolated);
                }
                Poll::Ready(Received::End(_)) => return self.lost(),
            }
        }
        Ok(false)
    }

    /// The transport is gone without a goodbye.
    fn lost(&mut self) -> Result<bool, CloseReason> {
        if self.session.disconnected(Instant::now()) {
            self.pipe = None;
            self.outgoing.clear();
            self.forget_input();
            return Ok(true);
        }
        Err(CloseReason::TransportLost)
    }

    /// What was not read was not acknowledged either: it comes again on the next transport.
    fn forget_input(&mut self) {
        self.rest.clear();
    }

    /// Reads messages from the front of `input` until there is no whole one left, or reading has to rest.
    fn read(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Result<usize, CloseReason> {
        let now = Instant::now();
        let mut used = 0;
        while self.reads() {
            let progress = self.session.handle_input(now, input.get(used..).unwrap_or_default())?;
            if progress.consumed == 0 && progress.event.is_none() {
                return Ok(used);
            }
            used += progress.consumed;
            if let Some(event) = progress.event {
                self.handle(cx, event)?;
            }
        }
        self.rested = true;
        self.session.set_dispatching(now, true);
        Ok(used)
    }

    fn with_dispatch<R>(&mut self, run: impl FnOnce(&mut Dispatch<'_>) -> R) -> Option<R> {
        let link = self.link.as_ref()?;
        Some(run(&mut Dispatch { engine: &self.engine, hub: &self.hub, link, calls: &mut self.calls }))
    }

    fn handle(&mut self, cx: &mut Context<'_>, event: Event<'_>) -> Result<(), CloseReason> {
        match event {
            Event::Handshake { protocol, .. } => self.connect(protocol),
            Event::Invocation { call, streaming } => {
                self.waiting = self.with_dispatch(|dispatch| dispatch.invoke(cx, call, streaming)).flatten();
            }
            Event::StreamItem(item) => self.calls.upload_item(cx, &item.invocation_id, item.item),
            Event::Completion(completion) => {
                let error = match &completion.outcome {
                    hubward_proto::Outcome::Error(error) => Some(&**error),
                    _ => None,
                };
                if !self.calls.complete_upload(cx, &completion.invocation_id, error)
                    && let Some(link) = &self.link
                {
                    link.answer(&completion.invocation_id, || match completion.outcome {
                        hubward_proto::Outcome::Void => Reply::Void,
                        hubward_proto::Outcome::Error(error) => Reply::Error(error.into_owned()),
                        hubward_proto::Outcome::Result(value) => {
                            Reply::Value(value.protocol(), value.bytes().to_vec())
                        }
                    });
                }
            }
            Event::CancelInvocation(cancel) => self.calls.cancel(&cancel.invocation_id),
            Event::Close(close) => return Err(CloseReason::Client(close.error.map(|e| e.into_owned()))),
        }
        Ok(())
    }

    /// The handshake is done: the connection can be reached, and the hub is told.
    fn connect(&mut self, protocol: Protocol) {
        let Opened { id, principal, request, transport } = &*self.opened;
        let link = Arc::new(Link::new(
            self.engine.node.next_key(),
            id.clone(),
            principal.clone(),
            protocol,
            request.clone(),
            *transport,
            Mailbox::new(self.engine.mailbox_limits()),
        ));
        self.link = Some(link.clone());
        if !self.session.is_stateful() {
            self.registration.forbid_resume();
        }
        let (engine, hub) = (self.engine.clone(), self.hub.clone());
        if engine.definition.on_connected.is_none()
            && engine.definition.filters.is_empty()
            && engine.node.backplane.is_none()
            && link.principal.user().is_none()
        {
            engine.index.add(&link);
            leave_with_the_node(&engine, &link);
            link.start_reading();
            return;
        }
        self.connecting = Some(Box::pin(async move {
            // Delivered for from now on: a client may receive before `on_connected` is done.
            engine.index.add(&link);
            leave_with_the_node(&engine, &link);
            membership::connected(&engine, &link).await?;
            let context = HubContext::new(link.clone(), hub, 0);
            let run = callback(engine.definition.on_connected.as_ref(), &context, link.protocol)?;
            run_callback(&engine, context, CallKind::Connected, run).await
        }));
    }

    /// What the session itself says, such as its answer to a handshake, goes before anything that is sent later.
    fn queue_session_output(&mut self) {
        while let Some(frame) = self.session.poll_output() {
            self.outgoing.push_back(frame);
        }
    }

    fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let before = self.outgoing.len();
        self.queue_session_output();
        let Some(link) = &self.link else { return Ok(self.outgoing.len() > before) };
        if self.outgoing.is_empty() && self.session.can_send() {
            link.mailbox.take(&mut self.outgoing, &mut self.controls, Some(cx.waker()));
            for frame in &self.outgoing {
                self.session.record(frame);
            }
        } else {
            link.mailbox.take_controls(&mut self.controls, cx.waker());
        }
        // What waits for a blocked pipe is nothing to do.
        let busy = self.outgoing.len() > before || !self.controls.is_empty();
        let mut controls = std::mem::take(&mut self.controls);
        for control in controls.drain(..) {
            match control {
                Control::Done(call) | Control::Released(call) => self.calls.release_permit(call),
                Control::Finished(id) => self.calls.finished(&id),
                Control::Close(reason) => return Err(reason),
            }
        }
        self.controls = controls;
        Ok(busy)
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(pipe) = &mut self.pipe else {
            self.outgoing.clear();
            return Ok(false);
        };
        let busy = !self.outgoing.is_empty();
        // Without frames, too: the pipe may still hold bytes that the kernel had no room for.
        match pipe.poll_write(cx, &mut self.outgoing) {
            Poll::Ready(Ok(())) => Ok(busy),
            Poll::Ready(Err(error)) => self.write_failed(error),
            Poll::Pending => Ok(false),
        }
    }

    fn write_failed(&mut self, error: PipeError) -> Result<bool, CloseReason> {
        if matches!(error, PipeError::SendTimeout) { Err(CloseReason::SendTimeout) } else { self.lost() }
    }

    /// Nothing to do now: sets the alarm to the nearest deadline, and deals with those that have passed.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            let deadlines =
                [self.session.poll_timeout(), self.pipe.as_ref().and_then(Pipe::deadline), self.expires];
            let nearest = deadlines.into_iter().flatten().min();
            if let Some(nearest) = nearest.filter(|nearest| *nearest < self.alarm) {
                self.alarm = nearest;
                self.sleep.as_mut().reset(nearest.into());
            }
            ready!(self.sleep.as_mut().poll(cx));
            // A deadline that moved away leaves an alarm that finds nothing to do; cheaper than moving it each time.
            let now = Instant::now();
            self.alarm = now + NEVER;
            self.sleep.as_mut().reset(self.alarm.into());
            if let Err(reason) = self.handle_deadlines(now) {
                return Poll::Ready(reason);
            }
            match self.poll_round(cx) {
                Ok(true) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(false) => {}
                Err(reason) => return Poll::Ready(reason),
            }
        }
    }

    fn handle_deadlines(&mut self, now: Instant) -> Result<(), CloseReason> {
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(CloseReason::TokenExpired);
        }
        if let Some(Err(error)) = self.pipe.as_mut().map(|pipe| pipe.handle_deadline(now)) {
            self.write_failed(error)?;
        }
        self.session.handle_timeout(now)?;
        Ok(())
    }

    /// Says goodbye as far as that is possible, tells the hub, and lets go of everything.
    async fn finish(mut self, reason: CloseReason) {
        let row = reason.row();
        self.registration.forbid_resume();
        self.connecting = None;
        self.calls.end();
        self.queue_session_output();
        if let Some(link) = &self.link {
            if matches!(reason, CloseReason::SlowConsumer) {
                // What it did not read until now it will not read in its last seconds.
                self.outgoing.clear();
            } else if self.session.can_send() {
                let mut waiting = VecDeque::new();
                link.mailbox.take(&mut waiting, &mut Vec::new(), None);
                self.outgoing.append(&mut waiting);
            }
            link.end();
        }
        if row.says_goodbye {
            let detailed = self.engine.definition.options.detailed_errors;
            self.session.close(reason.wire_error(detailed).as_deref(), row.allow_reconnect);
        }
        if !matches!(reason, CloseReason::TransportLost | CloseReason::SendTimeout) {
            let patience = self.engine.definition.options.close_timeout;
            let goodbye = std::future::poll_fn(|cx| self.poll_goodbye(cx));
            // A client that does not take its goodbye in time goes without.
            let _ = tokio::time::timeout(patience, goodbye).await;
        }
        self.pipe = None;
        let user = self.opened.principal.user().map(|user| user.as_str().to_owned()).unwrap_or_default();
        let (hub, connection_id) =
            (self.engine.name(), self.registration.logged_id().unwrap_or(&self.opened.id));
        let transport = self.opened.transport.name();
        match row.loudness {
            Loudness::Info => {
                tracing::info!(%hub, user, transport, %connection_id, reason = row.label, "A connection ended.");
            }
            Loudness::Warn => {
                tracing::warn!(%hub, user, transport, %connection_id, reason = row.label, error = reason.error(), "A connection ended.");
            }
        }
        let Some(link) = self.link.take() else { return };
        let engine = self.engine.clone();
        let context = HubContext::new(link.clone(), self.hub.clone(), 0).with_end(reason.error());
        if let Ok(run) = callback(engine.definition.on_disconnected.as_ref(), &context, link.protocol)
            && let Err(error) = run_callback(&engine, context, CallKind::Disconnected, run).await
        {
            tracing::warn!(%hub, %connection_id, %error, "on_disconnected failed.");
        }
        membership::ended(&engine, &link).await;
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.queue_session_output();
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(()) };
        if ready!(pipe.poll_write(cx, &mut self.outgoing)).is_err() {
            return Poll::Ready(());
        }
        pipe.poll_close(cx, 1000)
    }
}

/// Whoever came into the index after the node began to leave was passed over by its goodbye.
fn leave_with_the_node(engine: &Engine, link: &Link) {
    if engine.node.shutdown.is_cancelled() {
        link.close(CloseReason::Shutdown);
    }
}

/// What a hub does on connecting or disconnecting; nothing where it has no such callback, so that filters run alike.
fn callback(
    method: Option<&Arc<dyn Method>>,
    context: &HubContext,
    protocol: Protocol,
) -> Result<BoxFuture<Result<Outcome, HubError>>, ArgumentError> {
    match method {
        Some(method) => {
            method.start(&dispatch::callback(context.clone(), protocol)).map(|started| started.run)
        }
        None => Ok(Box::pin(async { Ok(Outcome::Done(None)) })),
    }
}

async fn run_callback(
    engine: &Engine,
    context: HubContext,
    kind: CallKind,
    run: BoxFuture<Result<Outcome, HubError>>,
) -> Result<(), HubError> {
    let run = dispatch::filtered(engine, run, || {
        FilterCall::new(context.clone(), kind, "".into(), RawArguments::default(), None)
    });
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(dispatch::panicked(&*panic))).map(|_| ())
}
