//! Server-sent events as a pipe: events go out in the body of a response that does not end, bytes come in by POST.
//! Between the owner and the HTTP server is one bounded chunk: a client that does not read makes the owner wait
//! (backpressure).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hubward_proto::Frame;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::deadline::{Deadline, PIECE_BYTES};
use super::inbox::Inbox;
use super::received::{Received, TransportEnd};
use super::wakers::{WakerSlot, unlock_and_wake};
use crate::error::PipeError;
use crate::options::TransportOptions;

/// How many bytes may wait for the HTTP server: as many as a WebSocket writes at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Makes a browser report the stream as open before the first event.
const OPENING: &[u8] = b":\r\n";

/// The server's end of an event stream.
pub(crate) struct ServerSentEventsPipe {
    channel: Arc<EventChannel>,
    deadline: Deadline,
    options: Arc<TransportOptions>,
}

/// What the pipe and the response's body share.
struct EventChannel {
    inbox: Arc<Inbox>,
    state: Mutex<State>,
}

struct State {
    chunk: Vec<u8>,
    /// A chunk that is given to the HTTP server piece by piece.
    pieces: Bytes,
    /// How many bytes the HTTP server has taken since the pipe looked.
    taken: usize,
    /// The pipe's owner, which waits for room in the chunk or for the end of the body.
    owner: WakerSlot,
    /// The HTTP server, which waits for a chunk.
    body: WakerSlot,
    /// Set by the pipe: after the chunk, the body ends.
    closing: bool,
    /// Set by the body: nobody takes chunks any more.
    body_dropped: bool,
}

/// The body of the response; the HTTP server drops it when the client is gone.
pub(crate) struct EventStreamBody {
    channel: Arc<EventChannel>,
}

impl ServerSentEventsPipe {
    /// Begins an event stream: the pipe for the owner, the body for the client.
    pub(crate) fn new(inbox: Arc<Inbox>, options: Arc<TransportOptions>) -> (Self, EventStreamBody) {
        let state = State {
            chunk: OPENING.to_vec(),
            pieces: Bytes::new(),
            taken: 0,
            owner: WakerSlot::default(),
            body: WakerSlot::default(),
            closing: false,
            body_dropped: false,
        };
        let channel = Arc::new(EventChannel { inbox, state: Mutex::new(state) });
        let body = EventStreamBody { channel: channel.clone() };
        (Self { channel, deadline: Deadline::default(), options }, body)
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        self.channel.inbox.poll_receive(cx, input)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        if self.deadline.is_closing() {
            return Poll::Ready(Err(PipeError::Closed));
        }
        let mut state = self.channel.state.lock();
        if state.body_dropped {
            return Poll::Ready(Err(PipeError::Lost));
        }
        while state.pieces.len() + state.chunk.len() < CHUNK_BYTES {
            let Some(frame) = frames.pop_front() else { break };
            encode_event(&mut state.chunk, frame.message());
        }
        if !frames.is_empty() {
            state.owner.store(cx);
        }
        let taken = std::mem::take(&mut state.taken);
        if state.chunk.is_empty() {
            drop(state);
        } else {
            unlock_and_wake(state, |state| [&mut state.body]);
        }
        if taken > 0 {
            self.deadline.write_progressed(taken, self.options.pace());
        }
        if frames.is_empty() {
            self.deadline.write_done();
            return Poll::Ready(Ok(()));
        }
        self.deadline.write_blocked(self.options.pace());
        Poll::Pending
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline.begin_close(self.options.close_timeout) {
            self.channel.finish();
        }
        let mut state = self.channel.state.lock();
        if state.body_dropped {
            return Poll::Ready(());
        }
        state.owner.store(cx);
        Poll::Pending
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.at(self.options.pace())
    }

    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.deadline.blocked_since()
    }

    pub(crate) fn options(&self) -> &TransportOptions {
        &self.options
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        let taken = std::mem::take(&mut self.channel.state.lock().taken);
        if taken > 0 {
            self.deadline.write_progressed(taken, self.options.pace());
            self.deadline.write_blocked(self.options.pace());
        }
        self.deadline.check(now, self.options.pace())
    }
}

impl Drop for ServerSentEventsPipe {
    fn drop(&mut self) {
        self.channel.finish();
        self.channel.inbox.end(TransportEnd::Lost);
    }
}

impl EventChannel {
    /// Ends the body after what it has.
    fn finish(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        unlock_and_wake(state, |state| [&mut state.body]);
    }
}

impl State {
    /// Returns what the HTTP server is given next.
    fn next_piece(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.pieces = std::mem::take(&mut self.chunk).into();
        }
        if self.pieces.is_empty() {
            return None;
        }
        let piece = self.pieces.split_to(PIECE_BYTES.min(self.pieces.len()));
        if self.pieces.is_empty() {
            // So that it does not keep the chunk.
            self.pieces = Bytes::new();
        }
        self.taken += piece.len();
        Some(piece)
    }
}

impl http_body::Body for EventStreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let mut state = self.channel.state.lock();
        if let Some(piece) = state.next_piece() {
            // The owner has to know of room only where that is worth its while.
            if state.pieces.len() + state.chunk.len() < CHUNK_BYTES / 2 {
                unlock_and_wake(state, |state| [&mut state.owner]);
            }
            return Poll::Ready(Some(Ok(http_body::Frame::data(piece))));
        }
        if state.closing {
            return Poll::Ready(None);
        }
        state.body.store(cx);
        Poll::Pending
    }
}

impl Drop for EventStreamBody {
    /// Ends the connection, however the response ended: there is no other sign that the client is gone.
    fn drop(&mut self) {
        let mut state = self.channel.state.lock();
        state.body_dropped = true;
        unlock_and_wake(state, |state| [&mut state.owner]);
        self.channel.inbox.end(TransportEnd::Closed { code: None });
    }
}

/// Appends one event. A line of the payload is a line of the event, whichever of LF, CR and CRLF ends it: each of them
/// ends a line for a browser, so that a payload cannot begin a field of its own.
fn encode_event(out: &mut Vec<u8>, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    let mut rest = payload;
    while let Some((line, after)) =
        memchr::memchr2(b'\r', b'\n', rest).and_then(|at| Some((rest.get(..at)?, rest.get(at..)?)))
    {
        encode_line(out, line);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
    }
    encode_line(out, rest);
    out.extend_from_slice(b"\r\n");
}

fn encode_line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
