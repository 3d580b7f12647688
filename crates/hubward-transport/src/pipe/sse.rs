//! Server-sent events as a pipe: events go out in the body of a response that does not end, bytes come in by POST.
//! Between the owner and the HTTP server lies one chunk, bounded; a client that does not read stops its owner.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame as BodyFrame;
use hubward_proto::Frame;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connections::resume::remember;
use crate::pipe::inbox::Inbox;
use crate::pipe::{Received, TransportEnd};
use crate::{PipeError, TransportOptions};

/// How much may wait for the HTTP server: as much as a WebSocket writes at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Makes a browser call the stream open before the first event.
const OPENING: &[u8] = b":\r\n";

/// The server's end of an event stream.
pub(crate) struct ServerSentEventsPipe {
    stream: Arc<Stream>,
    closing: bool,
    deadline: Option<Instant>,
    options: Arc<TransportOptions>,
}

struct Stream {
    inbox: Arc<Inbox>,
    state: Mutex<State>,
}

struct State {
    chunk: Vec<u8>,
    writer: Option<Waker>,
    body: Option<Waker>,
    /// Set by the owner: after the chunk, the body ends.
    closing: bool,
    /// Set by the body: nobody takes chunks any more.
    gone: bool,
}

/// The body of the response; the HTTP server drops it when the client is gone.
struct Events {
    stream: Arc<Stream>,
}

/// Begins an event stream: the pipe for the owner, the response for the client.
pub(crate) fn open(inbox: Arc<Inbox>, options: Arc<TransportOptions>) -> (ServerSentEventsPipe, Response) {
    let state = State { chunk: OPENING.to_vec(), writer: None, body: None, closing: false, gone: false };
    let stream = Arc::new(Stream { inbox, state: Mutex::new(state) });
    let mut response = Response::new(Body::new(Events { stream: stream.clone() }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    (ServerSentEventsPipe { stream, closing: false, deadline: None, options }, response)
}

impl ServerSentEventsPipe {
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        self.stream.inbox.poll_receive(cx, input)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        if self.closing {
            return Poll::Ready(Err(PipeError::Closed));
        }
        let mut state = self.stream.state.lock();
        if state.gone {
            return Poll::Ready(Err(PipeError::Lost));
        }
        let before = frames.len();
        while state.chunk.len() < CHUNK_BYTES {
            let Some(frame) = frames.pop_front() else { break };
            encode_event(&mut state.chunk, frame.message());
        }
        if !frames.is_empty() {
            remember(&mut state.writer, cx);
        }
        let body = if frames.len() < before { state.body.take() } else { None };
        drop(state);
        if frames.len() < before {
            self.deadline = None;
        }
        if let Some(body) = body {
            body.wake();
        }
        if frames.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let timeout = self.options.send_timeout;
        self.deadline.get_or_insert_with(|| Instant::now() + timeout);
        Poll::Pending
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>, _code: u16) -> Poll<()> {
        if !self.closing {
            self.closing = true;
            self.deadline = Some(Instant::now() + self.options.close_timeout);
            self.stream.finish();
        }
        let mut state = self.stream.state.lock();
        if state.gone {
            return Poll::Ready(());
        }
        remember(&mut state.writer, cx);
        Poll::Pending
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        match self.deadline {
            Some(deadline) if now >= deadline && self.closing => Err(PipeError::CloseTimeout),
            Some(deadline) if now >= deadline => Err(PipeError::SendTimeout),
            _ => Ok(()),
        }
    }
}

impl Drop for ServerSentEventsPipe {
    fn drop(&mut self) {
        self.stream.finish();
        self.stream.inbox.end(TransportEnd::Lost);
    }
}

impl Stream {
    fn finish(&self) {
        let body = {
            let mut state = self.state.lock();
            state.closing = true;
            state.body.take()
        };
        if let Some(body) = body {
            body.wake();
        }
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Self::Error>>> {
        let mut state = self.stream.state.lock();
        if !state.chunk.is_empty() {
            let chunk = std::mem::take(&mut state.chunk);
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(BodyFrame::data(chunk.into()))));
        }
        if state.closing {
            return Poll::Ready(None);
        }
        remember(&mut state.body, cx);
        Poll::Pending
    }
}

impl Drop for Events {
    /// Wherever the response ends, so does the connection: there is no other sign of it.
    fn drop(&mut self) {
        let writer = {
            let mut state = self.stream.state.lock();
            state.gone = true;
            state.writer.take()
        };
        if let Some(writer) = writer {
            writer.wake();
        }
        self.stream.inbox.end(TransportEnd::Closed { code: None });
    }
}

/// Appends one event. A line of the payload is a line of the event; a CR before its LF is part of the line's end.
fn encode_event(out: &mut Vec<u8>, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    let mut rest = payload;
    while let Some((line, after)) =
        memchr::memchr(b'\n', rest).and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?)))
    {
        encode_line(out, line.strip_suffix(b"\r").unwrap_or(line));
        rest = after;
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
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_payload_is_a_line_of_its_event() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"{}\x1e", b"data: {}\x1e\r\n\r\n"),
            (b"a\nb", b"data: a\r\ndata: b\r\n\r\n"),
            (b"a\r\nb", b"data: a\r\ndata: b\r\n\r\n"),
            (b"a\n", b"data: a\r\ndata: \r\n\r\n"),
            (b"\n\n", b"data: \r\ndata: \r\ndata: \r\n\r\n"),
            (b"a\rb", b"data: a\rb\r\n\r\n"),
        ];
        for (payload, event) in cases {
            let mut out = Vec::new();
            encode_event(&mut out, payload);
            assert_eq!(out, event, "{payload:?}");
        }
    }
}
