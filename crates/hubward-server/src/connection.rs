//! The task that owns a connection: its pipe, session and timer. Everybody else reaches it through its mailbox.

pub(crate) mod adopting;
pub(crate) mod client_reply;
pub(crate) mod close_reason;
mod closing;
pub(crate) mod config;
mod deadlines;
mod finishing;
pub(crate) mod groups;
pub(crate) mod handle;
mod input;
pub(crate) mod mailbox;
pub(crate) mod moving;
pub(crate) mod open_calls;
pub(crate) mod open_stream;
mod opening;
pub(crate) mod opening_request;
mod output;
mod read_buffer;
mod resuming;
pub(crate) mod runtime;
mod saved_items;
pub(crate) mod taken;
mod turn;
mod unread;
pub(crate) mod wake_batch;
mod wake_pacing;
pub(crate) mod wake_portions;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use hubward_hub::{BoxFuture, HubEngine};
use hubward_proto::{Frame, Session};
use hubward_transport::{Connection, Pipe, Registration, poll_again_after_others};
use hubward_types::{ConnectionId, Principal};
use tokio::time::{Instant, Sleep};

use self::close_reason::CloseReason;
use self::config::{ConnectionConfig, Lost};
use self::finishing::Finishing;
use self::handle::ConnectionHandle;
use self::mailbox::ControlMessage;
use self::opening_request::OpeningRequest;
use self::taken::Moving;
use self::turn::Turn;
use self::unread::Unread;
use self::wake_batch::WakeBatch;
use crate::engine::Engine;
use crate::invocation::dispatch::BoundCall;
use crate::invocation::panics;
use crate::invocation::running::RunningCalls;

/// Rounds of work in one poll, of which each moves on what the one before has brought: what is read is answered, and what
/// is answered is written.
const ROUNDS_PER_POLL: usize = 32;

/// Rounds after which the time is looked at; most polls have two.
const ROUNDS_PER_LOOK: usize = 4;

/// A connection's task.
pub(crate) struct ConnectionTask {
    engine: Arc<Engine>,
    hub: Arc<dyn HubEngine>,
    config: Arc<ConnectionConfig>,
    session: Session,
    /// Absent while a stateful connection waits to be resumed.
    pipe: Option<Pipe>,
    registration: Registration,
    opened: Box<Opened>,
    /// Since when there is a pipe, where there is one.
    attached_since: Instant,
    /// Present while a stateful connection is counted among those that are lost.
    lost: Option<Arc<Lost>>,
    /// Present once the handshake is done.
    handle: Option<Arc<ConnectionHandle>>,
    /// `on_connected` or `on_resumed`, while it runs; calls are read when it is done.
    connecting: Option<BoxFuture<'static, Result<(), CloseReason>>>,
    /// Whether the client has resumed the connection, and `on_resumed` has yet to begin.
    is_resumed: bool,
    /// A call that waits for a permit; reading pauses meanwhile.
    waiting_call: Option<BoundCall>,
    calls: RunningCalls,
    /// Input that is not a whole message yet, or has not been read.
    unread: Unread,
    /// Whether reading stopped before it came to the end of `unread`, so that there may be whole messages in it.
    has_unread: bool,
    /// Whether reading is paused, which the session knows.
    paused: bool,
    /// Whether it closes because its node drains, and what it waits for.
    finishing: Finishing,
    /// What is left of this poll.
    turn: Turn,
    /// Messages on their way to the pipe.
    outgoing: VecDeque<Frame>,
    /// Whether the pipe did not take all that was written.
    blocked: bool,
    /// Since when the client takes nothing, where its mailbox was full then.
    stalled_since: Option<Instant>,
    controls: Vec<ControlMessage>,
    /// Present while the session moves to another node.
    moving: Option<Box<Moving>>,
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` is set to end.
    alarm: Instant,
    /// When the bearer token expires, where that closes the connection.
    expires: Option<Instant>,
}

/// What the transport knows of a connection, needed when its handshake is done and when it closes.
struct Opened {
    id: ConnectionId,
    principal: Principal,
    request: OpeningRequest,
}

/// Longer than any connection lives: the alarm of a connection without a deadline.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// When the bearer token expires, where that closes the connection.
fn expiry(config: &ConnectionConfig, principal: &Principal, now: Instant) -> Option<Instant> {
    let expires_at = principal.expires_at().filter(|_| config.close_on_authentication_expiration)?;
    Some(now + expires_at.duration_since(SystemTime::now()).unwrap_or_default().min(NEVER))
}

impl ConnectionTask {
    pub(crate) fn new(engine: Arc<Engine>, config: Arc<ConnectionConfig>, connection: Connection) -> Self {
        let Connection { id, principal, request, transport, stateful, pipe, registration, .. } = connection;
        let session = Session::server(config.session(transport, stateful), Instant::now().into_std());
        let token_expires_at = registration.token_expires_at();
        let request = OpeningRequest { info: request, transport, stateful, token_expires_at };
        let opened = Opened { id, principal, request };
        Self { pipe: Some(pipe), ..Self::without_transport(engine, config, session, registration, opened) }
    }

    /// Makes the task of a connection that has nothing to read or to write yet.
    fn without_transport(
        engine: Arc<Engine>,
        config: Arc<ConnectionConfig>,
        session: Session,
        registration: Registration,
        opened: Opened,
    ) -> Self {
        let now = Instant::now();
        let alarm = now + NEVER;
        Self {
            hub: engine.clone().facade(),
            session,
            expires: expiry(&config, &opened.principal, now),
            config,
            pipe: None,
            attached_since: now,
            lost: None,
            registration,
            opened: Box::new(opened),
            handle: None,
            connecting: None,
            is_resumed: false,
            waiting_call: None,
            calls: RunningCalls::default(),
            unread: Unread::default(),
            has_unread: false,
            paused: false,
            finishing: Finishing::No,
            turn: Turn::begin(),
            outgoing: VecDeque::new(),
            blocked: false,
            stalled_since: None,
            controls: Vec::new(),
            moving: None,
            sleep: Box::pin(tokio::time::sleep_until(alarm)),
            alarm,
            engine,
        }
    }

    /// Serves the connection until it has closed, whatever panics meanwhile: its end runs. The task and its closing are boxed, so that an idle connection's
    /// future is a few pointers, not several copies of everything that its closing will need.
    pub(crate) async fn run(mut self: Box<Self>) {
        let reason = match AssertUnwindSafe(self.serve()).catch_unwind().await {
            Ok(reason) => reason,
            Err(panic) => {
                self.report_panic(&panics::panicked(panic));
                CloseReason::Panicked
            }
        };
        match reason {
            CloseReason::Moved { ref to, is_aborted } => {
                let (hub, connection_id) = (self.engine.name(), self.logged_id());
                tracing::debug!(%hub, %connection_id, %to, "A connection has moved to another node.");
                Box::pin(self.leave(reason, is_aborted)).await;
            }
            reason => Box::pin(self.close(reason)).await,
        }
    }

    async fn serve(&mut self) -> CloseReason {
        match self.serve_handshake().await {
            Ok(()) => std::future::poll_fn(|cx| self.poll_serve(cx)).await,
            Err(reason) => reason,
        }
    }

    /// Serves until the handshake is done. The connection is not in the index before, so a shutdown cannot find it
    /// there and is awaited here.
    async fn serve_handshake(&mut self) -> Result<(), CloseReason> {
        let shutdown = self.engine.context.shutdown.clone();
        let mut shutting_down = Box::pin(shutdown.cancelled());
        std::future::poll_fn(|cx| {
            if shutting_down.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(CloseReason::Shutdown));
            }
            match self.poll_serve(cx) {
                Poll::Ready(reason) => Poll::Ready(Err(reason)),
                Poll::Pending if self.handle.is_some() => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let _batch = WakeBatch::open();
        self.turn = Turn::begin();
        match self.serve_turn(cx) {
            Ok(()) => Poll::Pending,
            Err(reason) => Poll::Ready(reason),
        }
    }

    /// Does what there is to do, within the bounds of one poll. However much that is, each poll looks at the deadlines.
    fn serve_turn(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.is_taken() && !self.poll_taken(cx)? {
            return Ok(());
        }
        let mut is_due = self.is_deadline_due();
        if is_due {
            self.check_token()?;
            self.expect_progress();
        }
        for round in 1..=ROUNDS_PER_POLL {
            let busy = self.poll_round(cx)?;
            if self.is_taken() {
                // The next poll waits for its decision.
                break;
            }
            if is_due {
                self.handle_deadlines()?;
                is_due = false;
            } else if !busy {
                if self.poll_alarm(cx).is_pending() {
                    return Ok(());
                }
                // The next poll handles it, with a whole budget to read and write before.
                break;
            } else {
                if round % ROUNDS_PER_LOOK == 0 {
                    self.turn.look();
                }
                if self.turn.is_over() {
                    break;
                }
            }
        }
        self.set_alarm();
        poll_again_after_others(cx);
        Ok(())
    }

    /// One round of whatever there is to do; false where nothing is.
    fn poll_round(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut busy = self.poll_resumed(cx);
        busy |= self.poll_input(cx)?;
        // Before the output: what connecting subscribes to at once is in force when the handshake response is written.
        busy |= self.poll_connecting(cx)?;
        busy |= self.poll_mailbox(cx)?;
        busy |= self.poll_output(cx)?;
        // What was written or taken may have made room for answers.
        busy |= self.paused && self.may_read();
        busy |= self.poll_settling(cx)?;
        Ok(busy)
    }
}

#[cfg(test)]
mod tests;
