//! How a connection's task gives its session away, so that another node can go on with it. It reads no more calls at once; what
//! was not read is dropped with the transport, and the client sends it again. It waits for the calls that run, until a
//! deadline, since what they complete with belongs to the session. Then it hands the state over and waits for the decision:
//! to let the client go, or to go on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hubward_proto::encode;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ConnectionTask;
use super::close_reason::CloseReason;
use super::handle::ConnectionHandle;
use super::mailbox::ControlMessage;
use super::saved_items;
use super::taken::{CannotMove, Moving, Settling, TakeOutcome, TakeRequest, Taken, TakenSession};
use crate::invocation::failures::{self, HubPart};
use crate::invocation::{error_text, panics};
use crate::session_state::{MAX_STATE_BYTES, SessionContent, SessionState, StateError};

/// Takes the session out of a connection's task. Its calls are awaited until the deadline; then they fail. Dropped before it
/// is ready, the connection goes on.
///
/// # Errors
/// The connection cannot move, and goes on.
pub(crate) async fn take(
    connection: &ConnectionHandle,
    deadline: Instant,
) -> Result<TakenSession, CannotMove> {
    let (taken, taking) = oneshot::channel();
    let request = Box::new(TakeRequest { deadline, taken });
    // A mailbox that is closed drops the request.
    connection.mailbox.complete(None, Some(ControlMessage::Take(request)));
    taking.await.unwrap_or(Err(CannotMove::Closed)).map(TakenSession::received)
}

impl ConnectionTask {
    /// Begins to give the session away, if it can move.
    pub(super) fn begin_moving(&mut self, cx: &mut Context<'_>, request: TakeRequest) {
        let Some(handle) = self.handle.clone() else { return request.refuse(CannotMove::Opening) };
        if let Err(reason) = self.may_move(&handle) {
            return request.refuse(reason);
        }
        handle.set_settling(true);
        // They cannot go on elsewhere, and the client is not asked to wait for them.
        if let Err(panic) = panics::catch(|| self.calls.fail_uploads(cx, error_text::UPLOAD_MOVED)) {
            failures::report(&self.engine, &handle, HubPart::Other, &panic);
        }
        self.moving = Some(Box::new(Moving::Settling(Settling { request, stopped: false })));
    }

    fn may_move(&self, handle: &ConnectionHandle) -> Result<(), CannotMove> {
        if self.moving.is_some() {
            Err(CannotMove::Moving)
        } else if !self.session.is_stateful() {
            Err(CannotMove::NotStateful)
        } else if !handle.is_open() {
            Err(CannotMove::Opening)
        } else {
            handle.identity(self.engine.name()).map(drop)
        }
    }

    /// Until when calls are awaited, while they are.
    pub(super) fn settles_at(&self) -> Option<Instant> {
        match self.moving.as_deref() {
            Some(Moving::Settling(settling)) => Some(settling.request.deadline),
            _ => None,
        }
    }

    /// Whether reading stopped for good, before a call.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.moving.as_deref(), Some(Moving::Settling(Settling { stopped: true, .. })))
    }

    /// Stops reading where a call comes next and none is to begin any more. What else there is, such as client results that
    /// calls wait for, is still read.
    pub(super) fn stops_before(&mut self, input: &[u8]) -> bool {
        let Some(Moving::Settling(settling)) = self.moving.as_deref_mut() else { return false };
        settling.stopped |= self.session.is_call_next(input);
        settling.stopped
    }

    pub(super) fn is_taken(&self) -> bool {
        matches!(self.moving.as_deref(), Some(Moving::Taken(_)))
    }

    /// Gives the session away once nothing of it is left to be awaited.
    pub(super) fn poll_settling(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(Moving::Settling(settling)) = self.moving.as_deref_mut() else { return Ok(false) };
        if settling.is_abandoned(cx) {
            self.stop_moving();
            return Ok(true);
        }
        let Some(handle) = self.handle.clone() else { return Ok(false) };
        let is_late = settling.request.deadline <= Instant::now();
        if is_late && self.connecting.is_some() {
            self.refuse(CannotMove::Resuming);
            return Ok(true);
        }
        if is_late {
            self.fail_calls(&handle);
        }
        let waits = self.connecting.is_some()
            || self.waiting_call.is_some()
            || !handle.calls.is_empty()
            || handle.pending_results() > 0;
        if waits {
            return Ok(false);
        }
        self.give_away(cx, &handle)?;
        Ok(true)
    }

    /// Fails what is left, with a text that says so: calls, and client results that are waited for.
    fn fail_calls(&mut self, handle: &Arc<ConnectionHandle>) {
        if let Some(call) = self.waiting_call.take() {
            self.with_dispatch(|dispatch| dispatch.refuse(call, error_text::CALL_MOVED));
        }
        // Failed first: what is cancelled would complete as if it had come to its end.
        let failed = handle.calls.fail();
        self.calls.cancel_running();
        for id in failed {
            let frame = encode::completion_error(handle.protocol, &id, error_text::CALL_MOVED);
            handle.mailbox.complete(Some(frame), None);
        }
        handle.drop_pending_results();
    }

    /// Hands the state over. From now on messages stay in the mailbox, and nothing is read.
    fn give_away(&mut self, cx: &mut Context<'_>, handle: &Arc<ConnectionHandle>) -> Result<(), CloseReason> {
        let mut waiting = VecDeque::new();
        handle.mailbox.take(usize::MAX, &mut waiting, &mut self.controls, Some(cx.waker()));
        let state = self.state(handle, &waiting);
        let request = match self.moving.take().map(|moving| *moving) {
            Some(Moving::Settling(settling)) => settling.request,
            moving => {
                self.moving = moving.map(Box::new);
                return Ok(());
            }
        };
        match state {
            Ok(state) => {
                let (taken, outcome) = TakenSession::new(state, handle.ended());
                self.moving = Some(Box::new(Moving::Taken(Taken { outcome, waiting, closing: None })));
                // One that cannot be sent is dropped, and so taken back.
                let _ = request.taken.send(Ok(taken));
            }
            Err(reason) => {
                handle.set_settling(false);
                self.send_after_all(waiting);
                request.refuse(reason);
            }
        }
        self.handle_controls(cx)
    }

    fn state(
        &self,
        handle: &Arc<ConnectionHandle>,
        waiting: &VecDeque<hubward_proto::Frame>,
    ) -> Result<SessionState, CannotMove> {
        let identity = handle.identity(self.engine.name())?;
        let session = self.session.snapshot().ok_or(CannotMove::NotStateful)?;
        let waiting = waiting.iter().cloned().collect();
        let content = SessionContent { session, waiting, items: saved_items::save(&self.engine, handle) };
        match content.len() {
            bytes if bytes > MAX_STATE_BYTES => Err(StateError::TooLarge { bytes, limit: MAX_STATE_BYTES })?,
            _ => Ok(SessionState { identity, content }),
        }
    }

    /// Waits for the decision. True where the session was taken back.
    pub(super) fn poll_taken(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if let Some(handle) = &self.handle {
            handle.mailbox.take_controls(&mut self.controls, cx.waker());
        }
        let Some(Moving::Taken(taken)) = self.moving.as_deref_mut() else { return Ok(true) };
        let outcome = Pin::new(&mut taken.outcome).poll(cx);
        if matches!(outcome, Poll::Ready(Ok(TakeOutcome::TakeBack))) {
            let closing = taken.closing.take();
            // Before what others ask for, who may take the session at once.
            self.stop_moving();
            return match closing {
                Some(reason) => Err(reason),
                None => self.handle_controls(cx).map(|()| true),
            };
        }
        self.handle_controls(cx)?;
        let Poll::Ready(outcome) = outcome else { return Ok(false) };
        let closing = match self.moving.as_deref_mut() {
            Some(Moving::Taken(taken)) => taken.closing.take(),
            _ => None,
        };
        Err(match outcome {
            Ok(TakeOutcome::LetGo(to)) => {
                CloseReason::Moved { to, is_aborted: matches!(closing, Some(CloseReason::Aborted)) }
            }
            _ => closing.unwrap_or(CloseReason::HandoverFailed),
        })
    }

    /// Keeps a reason to close until it is decided whether the connection is still this node's.
    pub(super) fn closes_when_decided(&mut self, reason: CloseReason) -> Result<(), CloseReason> {
        match self.moving.as_deref_mut() {
            Some(Moving::Taken(taken)) => {
                taken.closing.get_or_insert(reason);
                Ok(())
            }
            _ => Err(reason),
        }
    }

    fn refuse(&mut self, reason: CannotMove) {
        if let Some(Moving::Settling(settling)) = self.moving.take().map(|moving| *moving) {
            settling.request.refuse(reason);
        }
        self.stop_moving();
    }

    /// Goes on as if nobody had asked.
    pub(super) fn stop_moving(&mut self) {
        if let Some(handle) = &self.handle {
            handle.set_settling(false);
        }
        if let Some(Moving::Taken(taken)) = self.moving.take().map(|moving| *moving) {
            self.send_after_all(taken.waiting);
        }
    }

    /// Sends what was taken out of the mailbox, before anything that has come since.
    fn send_after_all(&mut self, waiting: VecDeque<hubward_proto::Frame>) {
        self.queue_session_output();
        for frame in waiting {
            self.session.record(&frame);
            self.outgoing.push_back(frame);
        }
    }
}

#[cfg(test)]
mod tests;
