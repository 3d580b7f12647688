//! What goes out: the session's own messages first, then the mailbox, as many as there are in one write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use hubward_transport::PipeError;
use tokio::time::Instant;

use super::ConnectionTask;
use super::close_reason::CloseReason;
use super::config::Lost;
use super::finishing::Finishing;
use super::mailbox::{ControlMessage, Fill};
use crate::invocation::permits::CallLimits;

impl ConnectionTask {
    /// Queues the session's own messages, such as the handshake response, before anything that is sent later.
    pub(super) fn queue_session_output(&mut self) {
        while let Some(frame) = self.session.poll_output() {
            self.outgoing.push_back(frame);
        }
    }

    pub(super) fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let before = self.outgoing.len();
        self.queue_session_output();
        let Some(handle) = &self.handle else { return Ok(self.outgoing.len() > before) };
        let room = self.session.send_room();
        if self.outgoing.is_empty() && !self.blocked && room > 0 {
            handle.mailbox.take(room, &mut self.outgoing, &mut self.controls, Some(cx.waker()));
            for frame in &self.outgoing {
                self.session.record(frame);
            }
        } else {
            handle.mailbox.take_controls(&mut self.controls, cx.waker());
        }
        // Messages that wait for a blocked pipe are not work that can be done now.
        let busy = self.outgoing.len() > before || !self.controls.is_empty();
        self.handle_controls(cx)?;
        self.check_finished()?;
        Ok(busy)
    }

    /// Does what other tasks have notified this one of.
    pub(super) fn handle_controls(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let mut controls = std::mem::take(&mut self.controls);
        for control in controls.drain(..) {
            match control {
                ControlMessage::CallEnded(call) => self.calls.permits.ended(call),
                ControlMessage::CallSuspended(call) => self.calls.permits.suspend(call),
                ControlMessage::CallResumes(call, granted) => self.calls.permits.resume(call, granted),
                ControlMessage::InvocationFinished(id) => self.calls.finished(&id),
                ControlMessage::Finish => self.finish(Finishing::Calls),
                ControlMessage::FinishWithoutStreams => self.finish(Finishing::CallsWithoutStreams),
                // It only wakes the task.
                ControlMessage::Settled => {}
                ControlMessage::Take(request) => self.begin_moving(cx, *request),
                ControlMessage::Close(reason) => self.closes_when_decided(reason)?,
            }
        }
        self.controls = controls;
        self.calls.permits.grant(CallLimits::of(&self.engine.definition.options));
        Ok(())
    }

    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(pipe) = &mut self.pipe else {
            self.outgoing.clear();
            if self.fill() == Fill::Full {
                // Without a transport nothing is taken.
                self.set_stalled(true);
            }
            return Ok(false);
        };
        let busy = !self.outgoing.is_empty() || self.blocked;
        // Also without frames: the pipe may still hold bytes that the kernel had no room for.
        match pipe.poll_write(cx, &mut self.outgoing) {
            Poll::Ready(Ok(())) => {
                self.blocked = false;
                // Not only when more is taken from the mailbox: a stateful client may have to acknowledge before.
                if self.stalled_since.is_some() {
                    self.set_stalled(false);
                }
                Ok(busy)
            }
            Poll::Ready(Err(error)) => self.write_failed(error),
            Poll::Pending => {
                self.blocked = true;
                if self.stalled_since.is_some() && pipe.blocked_since() != self.stalled_since {
                    self.set_stalled(false);
                }
                Ok(false)
            }
        }
    }

    pub(super) fn write_failed(&mut self, error: PipeError) -> Result<bool, CloseReason> {
        if matches!(error, PipeError::SendTimeout) {
            Err(CloseReason::SendTimeout)
        } else {
            self.transport_lost()
        }
    }

    /// Handles a transport that was lost without being closed: a stateful connection waits to be resumed, any other
    /// closes.
    pub(super) fn transport_lost(&mut self) -> Result<bool, CloseReason> {
        let now = Instant::now();
        if self.session.disconnected(now.into_std()) {
            self.note_lost(now);
            self.pipe = None;
            self.outgoing = VecDeque::new();
            self.blocked = false;
            self.discard_input();
            return Ok(true);
        }
        Err(CloseReason::TransportLost)
    }

    /// Counts this connection among those that are lost, which have no socket that would bound their number. Where they are
    /// too many, those that are so for longest are not waited for any longer.
    fn note_lost(&mut self, now: Instant) {
        let Some(handle) = &self.handle else { return };
        if self.pipe.is_some() && self.config.lost.counts(now.duration_since(self.attached_since)) {
            let lost = Arc::new(Lost(handle.clone()));
            for longest in self.config.lost.add(&lost) {
                // Unless it has just been resumed, and is kept only here.
                if Arc::strong_count(&longest) > 1 {
                    longest.0.close(CloseReason::ReconnectTimeout);
                }
            }
            self.lost = Some(lost);
        }
    }
}

#[cfg(test)]
mod tests;
