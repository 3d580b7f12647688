//! One pipe of bytes, whatever carries it. It holds no task and no timer: its owner polls it, keeps one sleep for
//! [`Pipe::deadline`] among its other deadlines, and passes frames to it from its own queue.

pub(crate) mod deadline;
pub(crate) mod inbox;
pub(crate) mod long_polling;
pub(crate) mod received;
pub(crate) mod scratch;
pub(crate) mod sse;
pub(crate) mod wakers;
pub(crate) mod websocket;

use std::collections::VecDeque;
use std::task::{Context, Poll};

use hubward_proto::Frame;
use tokio::time::Instant;

use crate::error::PipeError;
use crate::options::TransportOptions;
use crate::transport::Transport;
use long_polling::LongPollingPipe;
use received::Received;
use sse::ServerSentEventsPipe;
use websocket::WebSocketPipe;

/// The bytes of one connection, both ways.
pub struct Pipe(Form);

enum Form {
    WebSocket(WebSocketPipe),
    ServerSentEvents(ServerSentEventsPipe),
    LongPolling(LongPollingPipe),
}

macro_rules! each {
    ($self:expr, $pipe:ident => $do:expr) => {
        match $self {
            Form::WebSocket($pipe) => $do,
            Form::ServerSentEvents($pipe) => $do,
            Form::LongPolling($pipe) => $do,
        }
    };
}

impl Pipe {
    /// Appends what has come to `input`: payload only. Where the peer's frames or requests end has no meaning.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        each!(&mut self.0, pipe => pipe.poll_receive(cx, input))
    }

    /// Writes frames from the front of the queue, as many in one system call as there are. Ready when the queue is
    /// empty and all of it is written; until then the queue holds what is not, which is the owner's backpressure.
    ///
    /// # Errors
    /// [`PipeError::Lost`] when the transport is gone, [`PipeError::Closed`] after [`Pipe::poll_close`].
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        each!(&mut self.0, pipe => pipe.poll_write(cx, frames))
    }

    /// Closes the transport gracefully. A WebSocket sends a close frame with 1000 (or, where the peer violated the
    /// protocol, with the code for that) and waits for the peer's, up to the close timeout; an event stream ends; a
    /// long poll, pending or next, gets what is left, and the one after it 204. Ready when nothing is left to do.
    /// Frames still in the owner's queue are not written.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(&mut self.0, pipe => pipe.poll_close(cx))
    }

    /// Returns when [`Pipe::handle_deadline`] has to be called. May have changed after any other call.
    pub fn deadline(&self) -> Option<Instant> {
        each!(&self.0, pipe => pipe.deadline())
    }

    /// Has the next [`Pipe::poll_write`] look for progress that nobody was notified of: to be called before the peer is judged
    /// by [`Pipe::handle_deadline`] or [`Pipe::blocked_since`].
    pub fn expect_progress(&mut self) {
        if let Form::WebSocket(pipe) = &mut self.0 {
            pipe.expect_progress();
        }
    }

    /// Returns since when the peer takes nothing of what is written; `None` where nothing waits to be written.
    pub fn blocked_since(&self) -> Option<Instant> {
        each!(&self.0, pipe => pipe.blocked_since())
    }

    /// Checks the pipe's timeouts. Calling too early does no harm.
    ///
    /// # Errors
    /// The timeout that has expired: the pipe cannot be used any more.
    pub fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        each!(&mut self.0, pipe => pipe.handle_deadline(now))
    }

    /// Returns the options of the path where the connection was opened.
    pub(crate) fn options(&self) -> &TransportOptions {
        each!(&self.0, pipe => pipe.options())
    }

    /// Returns how the bytes travel.
    pub fn transport(&self) -> Transport {
        match &self.0 {
            Form::WebSocket(_) => Transport::WebSockets,
            Form::ServerSentEvents(_) => Transport::ServerSentEvents,
            Form::LongPolling(_) => Transport::LongPolling,
        }
    }
}

impl From<WebSocketPipe> for Pipe {
    fn from(pipe: WebSocketPipe) -> Self {
        Self(Form::WebSocket(pipe))
    }
}

impl From<ServerSentEventsPipe> for Pipe {
    fn from(pipe: ServerSentEventsPipe) -> Self {
        Self(Form::ServerSentEvents(pipe))
    }
}

impl From<LongPollingPipe> for Pipe {
    fn from(pipe: LongPollingPipe) -> Self {
        Self(Form::LongPolling(pipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_pipe_is_small() {
        assert!(size_of::<Pipe>() <= 216, "{} bytes", size_of::<Pipe>());
    }
}
