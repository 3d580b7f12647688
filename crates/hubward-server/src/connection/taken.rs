//! A session that is taken out of its connection's task: what the taker asks for, what it gets, and what it decides. The task's
//! part is in `moving.rs`.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};

use hubward_proto::Frame;
use hubward_types::NodeId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::close_reason::CloseReason;
use crate::session_state::{SessionState, StateError};

/// Why a connection cannot move. It goes on as before, but its uploads may have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotMove {
    /// It ends with its transport: stateful reconnect was not negotiated, or its client closes.
    #[error("the connection has no stateful reconnect")]
    NotStateful,
    /// Its `on_connected` has not ended.
    #[error("the connection is opening")]
    Opening,
    /// Its `on_resumed` has not ended in time.
    #[error("the hub's on_resumed did not end in time")]
    Resuming,
    /// Somebody takes it already.
    #[error("the connection moves already")]
    Moving,
    /// It has closed meanwhile.
    #[error("the connection has closed")]
    Closed,
    /// There is too much of it.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Asks a connection's task for its session.
pub(crate) struct TakeRequest {
    /// Until when calls that run are awaited.
    pub(crate) deadline: Instant,
    pub(crate) taken: oneshot::Sender<Result<TakenSession, CannotMove>>,
}

impl TakeRequest {
    pub(crate) fn refuse(self, reason: CannotMove) {
        // A taker that has gone needs no reason.
        let _ = self.taken.send(Err(reason));
    }
}

impl fmt::Debug for TakeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeRequest").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A session that was taken. Its connection waits: the client's transport is held, but nothing is read or written. Dropping
/// this closes the connection, with leave to reconnect: nobody may wait for a node that nobody asks any more.
#[derive(Debug)]
pub(crate) struct TakenSession {
    state: SessionState,
    decide: Option<oneshot::Sender<TakeOutcome>>,
    /// Cancelled when the connection has ended on this node.
    ended: CancellationToken,
    /// Whether somebody has received it. What is lost on its way to a taker that has gone is taken back.
    received: bool,
}

/// What becomes of a session that was taken; without a decision it closes.
#[derive(Debug)]
pub(crate) enum TakeOutcome {
    /// Another node has it.
    LetGo(NodeId),
    /// It goes on here.
    TakeBack,
}

impl TakenSession {
    /// Makes one, with where its task hears of the decision.
    pub(crate) fn new(
        state: SessionState,
        ended: CancellationToken,
    ) -> (Self, oneshot::Receiver<TakeOutcome>) {
        let (decide, outcome) = oneshot::channel();
        (Self { state, decide: Some(decide), ended, received: false }, outcome)
    }

    /// Notes that the taker has it.
    pub(crate) fn received(mut self) -> Self {
        self.received = true;
        self
    }

    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Ends the connection on this node, because `to` has it now: without a Close message and without a closing handshake, so
    /// that its client resumes it. `on_disconnected` does not run, and the record in the group store stays. It is decided
    /// when this is called; awaiting it waits until nothing is left here.
    pub(crate) fn let_go(mut self, to: NodeId) -> impl Future<Output = ()> + Send + use<> {
        self.decide(TakeOutcome::LetGo(to));
        let ended = self.ended.clone();
        async move { ended.cancelled().await }
    }

    /// Goes on with the connection here, as if nothing had happened: no other node has it.
    pub(crate) fn take_back(mut self) {
        self.decide(TakeOutcome::TakeBack);
    }

    fn decide(&mut self, decision: TakeOutcome) {
        if let Some(decide) = self.decide.take() {
            // A task that has ended, such as because it panicked, has closed the connection.
            let _ = decide.send(decision);
        }
    }
}

impl Drop for TakenSession {
    fn drop(&mut self) {
        if !self.received {
            self.decide(TakeOutcome::TakeBack);
        }
    }
}

/// How far a connection's task is in giving its session away.
pub(crate) enum Moving {
    /// It waits for the calls that run.
    Settling(Settling),
    /// It waits for a decision.
    Taken(Taken),
}

pub(crate) struct Settling {
    pub(crate) request: TakeRequest,
    /// Whether a call is the next thing to read, so that nothing is read any more.
    pub(crate) stopped: bool,
}

impl Settling {
    /// Whether the taker has gone.
    pub(crate) fn is_abandoned(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(self.request.taken.poll_closed(cx), Poll::Ready(()))
    }
}

pub(crate) struct Taken {
    pub(crate) outcome: oneshot::Receiver<TakeOutcome>,
    /// What waited in the mailbox: it is in the state, and is sent from here if that is taken back.
    pub(crate) waiting: VecDeque<Frame>,
    /// Why the connection was to close meanwhile.
    pub(crate) closing: Option<CloseReason>,
}
