//! The task that owns a connection: its pipe, session and timer. All others reach it through its mailbox.

pub(crate) mod close_reason;
mod closing;
pub(crate) mod handle;
mod input;
pub(crate) mod mailbox;
mod opening;
mod output;
mod read_buffer;
pub(crate) mod session_config;
pub(crate) mod wake_batch;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use hubward_hub::{BoxFuture, HubEngine, HubError};
use hubward_proto::{Frame, Session};
use hubward_transport::{Connection, Pipe, Registration, RequestInfo, Transport};
use hubward_types::{ConnectionId, Principal};
use tokio::time::Sleep;

use crate::connection::close_reason::CloseReason;
use crate::connection::handle::Link;
use crate::connection::mailbox::Control;
use crate::connection::wake_batch::WakeBatch;
use crate::hub::Engine;
use crate::invocation::dispatch::Prepared;
use crate::invocation::running::Calls;

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

    /// Serves the connection to its end. The task and its end are boxed, so that an idle connection's future is a
    /// few pointers, not several copies of everything that its end will need.
    pub(crate) async fn run(mut self: Box<Self>) {
        let reason = match self.serve_handshake().await {
            Ok(()) => std::future::poll_fn(|cx| self.poll_serve(cx)).await,
            Err(reason) => reason,
        };
        Box::pin(self.finish(reason)).await;
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
}
