//! One pipe of bytes, whatever carries it. It holds no task and no timer: its owner polls it, keeps one sleep for
//! [`Pipe::deadline`] among its other deadlines, and hands frames over from its own queue.

pub(crate) mod inbox;
pub(crate) mod long_polling;
pub(crate) mod scratch;
pub(crate) mod sse;
pub(crate) mod websocket;

use std::collections::VecDeque;
use std::task::{Context, Poll};

use hubward_proto::Frame;
use tokio::time::Instant;

use crate::{PipeError, Transport};
use long_polling::LongPollingPipe;
use sse::ServerSentEventsPipe;
use websocket::WebSocketPipe;

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Bytes were appended to the input.
    Data,
    /// Nothing will come any more; asked again, the pipe says the same again.
    End(TransportEnd),
}

/// How the peer's bytes ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportEnd {
    /// The peer said goodbye: a WebSocket close frame (with its code, where it had one), a DELETE, or the end of an
    /// event stream's request.
    Closed {
        /// The code of the close frame.
        code: Option<u16>,
    },
    /// There was no goodbye: a stateful connection may be resumed.
    Lost,
    /// The peer broke the transport's rules; [`Pipe::poll_close`] will tell it so with this code.
    Violated {
        /// The WebSocket close code: 1002 or 1007.
        code: u16,
    },
}

/// The bytes of one connection, both ways.
pub struct Pipe(Kind);

enum Kind {
    WebSocket(WebSocketPipe),
    ServerSentEvents(ServerSentEventsPipe),
    LongPolling(LongPollingPipe),
}

macro_rules! each {
    ($self:expr, $pipe:ident => $do:expr) => {
        match $self {
            Kind::WebSocket($pipe) => $do,
            Kind::ServerSentEvents($pipe) => $do,
            Kind::LongPolling($pipe) => $do,
        }
    };
}

impl Pipe {
    /// Appends what has come to `input`: payload only, where a peer's frame or request ends means nothing.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        each!(&mut self.0, pipe => pipe.poll_receive(cx, input))
    }

    /// Writes frames from the front of the queue, as many in one system call as there are. Ready when the queue is
    /// empty and all of it is handed on; until then the queue holds what is not yet written.
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

    /// Ends it. A WebSocket is told `code` (or, where the peer broke the rules, which) and gets up to the close timeout
    /// to answer; an event stream ends; a long poll, pending or next, gets what is left,
    /// and then 204. Ready when nothing is left to do. Frames still in the owner's queue are not written.
    pub fn poll_close(&mut self, cx: &mut Context<'_>, code: u16) -> Poll<()> {
        each!(&mut self.0, pipe => pipe.poll_close(cx, code))
    }

    /// Returns when [`Pipe::handle_deadline`] wants to be called. May have changed after any other call.
    pub fn deadline(&self) -> Option<Instant> {
        each!(&self.0, pipe => pipe.deadline())
    }

    /// Looks at the pipe's timeouts. Calling too early does no harm.
    ///
    /// # Errors
    /// The timeout that has passed: the pipe is of no more use then.
    pub fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        each!(&mut self.0, pipe => pipe.handle_deadline(now))
    }

    /// Returns how the bytes travel.
    pub fn transport(&self) -> Transport {
        match &self.0 {
            Kind::WebSocket(_) => Transport::WebSockets,
            Kind::ServerSentEvents(_) => Transport::ServerSentEvents,
            Kind::LongPolling(_) => Transport::LongPolling,
        }
    }

    /// Tells whether bytes that are not text can be sent.
    pub fn carries_binary(&self) -> bool {
        self.transport().carries_binary()
    }

    /// Tells whether the transport notices a dead peer by itself, so that pings would be waste.
    pub fn keeps_itself_alive(&self) -> bool {
        self.transport().keeps_itself_alive()
    }
}

impl From<WebSocketPipe> for Pipe {
    fn from(pipe: WebSocketPipe) -> Self {
        Self(Kind::WebSocket(pipe))
    }
}

impl From<ServerSentEventsPipe> for Pipe {
    fn from(pipe: ServerSentEventsPipe) -> Self {
        Self(Kind::ServerSentEvents(pipe))
    }
}

impl From<LongPollingPipe> for Pipe {
    fn from(pipe: LongPollingPipe) -> Self {
        Self(Kind::LongPolling(pipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_pipe_is_small() {
        assert!(size_of::<Pipe>() <= 208, "{} bytes", size_of::<Pipe>());
    }
}
