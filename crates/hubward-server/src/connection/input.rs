//! What comes in: bytes from the pipe, messages from the session, and what is done about each.

use std::task::{Context, Poll};

use hubward_hub::HubError;
use hubward_proto::{CompletionResult, Event};
use hubward_transport::{Received, Transport, TransportEnd};
use tokio::time::Instant;

use super::client_reply::Reply;
use super::close_reason::CloseReason;
use super::finishing::Finishing;
use super::mailbox::Fill;
use super::unread::Unread;
use super::{ConnectionTask, read_buffer};
use crate::invocation::dispatch::Dispatch;
use crate::invocation::failures::{self, HubPart};
use crate::invocation::permits::CallLimits;

/// How much is received, and not read, while reading is paused: as much as SignalR's pipes hold before they pause.
const PAUSED_BYTES: usize = 64 * 1024;

impl ConnectionTask {
    /// Whether messages may be read: not while the hub is busy, or the client does not take what it is sent. That is the
    /// client's backpressure, and bounds the answers that wait.
    pub(super) fn may_read(&self) -> bool {
        !self.is_hub_busy() && !self.blocked && self.fill() == Fill::Room && !self.is_stopped()
    }

    /// Whether `on_connected` runs, a call waits for its permit, or an upload waits for room.
    fn is_hub_busy(&self) -> bool {
        self.connecting.is_some() || self.waiting_call.is_some() || self.calls.holds_item()
    }

    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut busy = false;
        if self.calls.holds_item()
            && let Poll::Ready(passed_on) = self.calls.poll_held(cx)
        {
            self.report_upload(passed_on);
            busy = true;
        }
        let limits = CallLimits::of(&self.engine.definition.options);
        if let Some(call) = self.waiting_call.take_if(|_| self.calls.permits.may_start(limits)) {
            busy = true;
            self.with_dispatch(|dispatch| dispatch.run(cx, call));
        }
        if !self.may_read() {
            self.pause(true);
            return Ok(busy | self.receive_while_paused(cx)?);
        }
        self.pause(false);
        if self.unread.is_empty() {
            return self.receive_and_read(cx).map(|read| busy | read);
        }
        // What was left is read before more is received.
        let mut end = None;
        let before = self.unread.len();
        if !std::mem::take(&mut self.has_unread) {
            let received = match &mut self.pipe {
                Some(pipe) => pipe.poll_receive(cx, self.unread.end()),
                None => Poll::Pending,
            };
            match received {
                Poll::Pending => return Ok(busy),
                Poll::Ready(Received::Data) => {}
                Poll::Ready(Received::End(reached)) => end = Some(reached),
            }
        }
        let mut unread = std::mem::take(&mut self.unread);
        let used = self.read(cx, unread.bytes())?;
        self.turn.note_received(unread.len().saturating_sub(before));
        unread.consume(used);
        self.unread = unread;
        end.map_or(Ok(true), |end| self.transport_ended(end))
    }

    /// Receives into a buffer of the thread and reads. Only what is left is kept.
    fn receive_and_read(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        read_buffer::with(|input| {
            let received = match &mut self.pipe {
                Some(pipe) => pipe.poll_receive(cx, input),
                None => Poll::Pending,
            };
            let end = match received {
                Poll::Pending => return Ok(false),
                Poll::Ready(Received::Data) => None,
                Poll::Ready(Received::End(end)) => Some(end),
            };
            let used = self.read(cx, input)?;
            self.turn.note_received(input.len());
            if used < input.len() {
                self.unread = Unread::of(input.get(used..).unwrap_or_default());
            }
            end.map_or(Ok(true), |end| self.transport_ended(end))
        })
    }

    /// Pauses reading, or goes on. A client's silence does not count while the hub is busy. It counts where it is the
    /// client that takes nothing, except that it is not silent where it has sent what is not read.
    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        let busy = paused && self.is_hub_busy();
        if self.session.is_reading_paused() != busy {
            self.session.set_reading_paused(self.turn.now().into_std(), busy);
        }
    }

    /// Looks for signs of life in what was received while reading is paused.
    pub(super) fn note_unread(&mut self, now: Instant) {
        if self.paused {
            let receives_more = self.unread.len() < PAUSED_BYTES;
            self.session.note_unread(now.into_std(), self.unread.bytes(), receives_more);
        }
    }

    fn transport_ended(&mut self, end: TransportEnd) -> Result<bool, CloseReason> {
        match end {
            TransportEnd::Closed { .. } if self.opened.request.transport == Transport::LongPolling => {
                Err(CloseReason::Terminated)
            }
            TransportEnd::Closed { .. } => Err(CloseReason::TransportClosed),
            TransportEnd::Violated { .. } => Err(CloseReason::TransportViolated),
            TransportEnd::Lost => self.transport_lost(),
        }
    }

    /// While reading is paused, bytes are still received, up to a bound: otherwise nobody would notice that the client has
    /// gone, and a call that waits for just that would wait forever. A stateful client's acknowledgements are looked for
    /// in them, since they may be what output waits for.
    fn receive_while_paused(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let receives = self.connecting.is_none() || self.session.is_stateful();
        let mut received = false;
        while receives && self.unread.len() < PAUSED_BYTES {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.poll_receive(cx, self.unread.end()) {
                Poll::Pending => break,
                Poll::Ready(Received::Data) => received = true,
                Poll::Ready(Received::End(TransportEnd::Closed { .. })) => {
                    // What it sent before it closed is still read, in its turn.
                    if let Some(handle) = &self.handle {
                        handle.set_client_gone();
                    }
                    break;
                }
                Poll::Ready(Received::End(TransportEnd::Violated { .. })) => {
                    return Err(CloseReason::TransportViolated);
                }
                Poll::Ready(Received::End(TransportEnd::Lost)) => return self.transport_lost(),
            }
        }
        if received {
            self.has_unread = true;
            let used = self.session.look_ahead(self.turn.now().into_std(), self.unread.bytes())?;
            self.unread.consume(used);
        }
        Ok(false)
    }

    /// Drops what was not read. It was not acknowledged either: a stateful client sends it again on the next transport.
    pub(super) fn discard_input(&mut self) {
        self.unread = Unread::default();
        self.has_unread = false;
    }

    /// Reads messages from the front of `input` until there is no whole one left, reading has to pause, or the turn is
    /// over. Checked after each message, since a call may be answered at once.
    fn read(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Result<usize, CloseReason> {
        // Nothing is done for a client whose token has expired, however much it has sent before.
        self.check_token()?;
        let now = self.turn.now().into_std();
        let mut used = 0;
        while self.may_read() && !self.turn.is_over() {
            let rest = input.get(used..).unwrap_or_default();
            if self.stops_before(rest) {
                break;
            }
            let progress = self.session.handle_input(now, rest)?;
            if progress.consumed == 0 && progress.event.is_none() {
                return Ok(used);
            }
            used += progress.consumed;
            self.turn.note_message();
            if let Some(event) = progress.event {
                self.handle_event(cx, event)?;
            }
        }
        self.has_unread = used < input.len();
        Ok(used)
    }

    pub(super) fn with_dispatch<R>(&mut self, run: impl FnOnce(&mut Dispatch<'_>) -> R) -> Option<R> {
        let handle = self.handle.as_ref()?;
        Some(run(&mut Dispatch { engine: &self.engine, hub: &self.hub, handle, calls: &mut self.calls }))
    }

    fn report_upload(&self, passed_on: Result<(), HubError>) {
        if let (Err(error), Some(handle)) = (passed_on, &self.handle) {
            failures::report(&self.engine, handle, HubPart::Other, &error);
        }
    }

    fn handle_event(&mut self, cx: &mut Context<'_>, event: Event<'_>) -> Result<(), CloseReason> {
        match event {
            Event::Handshake { protocol, .. } => self.connect(protocol),
            // It is as if it had come after the Close message.
            Event::Invocation { .. } if self.finishing != Finishing::No => {}
            Event::Invocation { call, streaming } => {
                self.waiting_call =
                    self.with_dispatch(|dispatch| dispatch.invoke(cx, call, streaming)).flatten();
                self.turn.note_call();
            }
            Event::StreamItem(item) => {
                let passed_on = self.calls.upload_item(cx, &item.invocation_id, item.item);
                self.report_upload(passed_on);
            }
            Event::Completion(completion) => {
                let error = match &completion.result {
                    CompletionResult::Error(error) => Some(&**error),
                    _ => None,
                };
                if !self.calls.complete_upload(cx, &completion.invocation_id, error)
                    && let Some(handle) = &self.handle
                {
                    handle.resolve_result(&completion.invocation_id, || match completion.result {
                        CompletionResult::Void => Reply::Void,
                        CompletionResult::Error(error) => Reply::Error(error.into_owned()),
                        CompletionResult::Value(value) => {
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
}

#[cfg(test)]
mod tests;
