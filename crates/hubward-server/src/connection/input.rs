//! What comes in: bytes from the pipe, messages from the session, and what is done about each.

use std::task::{Context, Poll};
use std::time::Instant;

use hubward_proto::{Event, Outcome};
use hubward_transport::{End, Received, Transport};

use super::Task;
use crate::connection::close_reason::CloseReason;
use crate::connection::handle::Reply;
use crate::connection::read_buffer;
use crate::invocation::dispatch::Dispatch;

/// How much is fetched, and not read, while reading rests: as much as SignalR's pipes hold before they pause.
const RESTING_BYTES: usize = 64 * 1024;

impl Task {
    /// Whether calls may be read: not while the hub connects, a call waits for its permit, or an upload for room.
    fn reads(&self) -> bool {
        self.connecting.is_none() && self.waiting.is_none() && !self.calls.holds_item()
    }

    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
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
        read_buffer::with(|input| {
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
                Some(End::Closed { .. }) if self.opened.transport == Transport::LongPolling => {
                    Err(CloseReason::Terminated)
                }
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

    /// What was not read was not acknowledged either: it comes again on the next transport.
    pub(super) fn forget_input(&mut self) {
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
                    Outcome::Error(error) => Some(&**error),
                    _ => None,
                };
                if !self.calls.complete_upload(cx, &completion.invocation_id, error)
                    && let Some(link) = &self.link
                {
                    link.answer(&completion.invocation_id, || match completion.outcome {
                        Outcome::Void => Reply::Void,
                        Outcome::Error(error) => Reply::Error(error.into_owned()),
                        Outcome::Result(value) => Reply::Value(value.protocol(), value.bytes().to_vec()),
                    });
                }
            }
            Event::CancelInvocation(cancel) => self.calls.cancel(&cancel.invocation_id),
            Event::Close(close) => return Err(CloseReason::Client(close.error.map(|e| e.into_owned()))),
        }
        Ok(())
    }
}
