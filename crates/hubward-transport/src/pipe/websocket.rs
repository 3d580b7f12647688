//! A WebSocket as a pipe. It owns the socket and no buffers: reads go through the thread's scratch buffer straight
//! into the owner's input, writes go from the owner's frames to the kernel, and only the rest of a frame that was
//! written in part is kept.

mod codec;
mod io;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hubward_proto::Frame;
use tokio::time::Instant;

pub(crate) use io::Io;

use super::deadline::Deadline;
use super::received::{Received, TransportEnd};
use super::scratch;
use crate::error::PipeError;
use crate::options::TransportOptions;
use crate::turn::poll_again_after_others;
use codec::{Decoded, Decoder, encode_close, encode_pong};

/// How many bytes of pongs may wait for the socket; past it only the newest ping is answered, as RFC 6455 §5.5.3
/// allows.
const PONG_BYTES: usize = 1024;

/// Reads in one poll that bring no payload, such as pings and empty frames: enough for a ping and what follows it, and
/// few enough that a flood of them lets the other connections work in between.
const READS_WITHOUT_PAYLOAD: usize = 2;

/// The code of every close that is not a violation by the peer (RFC 6455, section 7.4.1).
const NORMAL_CLOSURE: u16 = 1000;

/// The server's end of a WebSocket.
pub(crate) struct WebSocketPipe {
    io: Io,
    decoder: Decoder,
    /// What came together with the upgrade request.
    early: Option<Box<Bytes>>,
    /// The rest of a frame that was written in part: nothing may come before it.
    rest: Bytes,
    /// Pongs and the close frame, to be written before the owner's frames.
    control: Vec<u8>,
    end: Option<TransportEnd>,
    /// Whether the next write that would wait asks the kernel for room first.
    expects_progress: bool,
    deadline: Deadline,
    options: Arc<TransportOptions>,
}

impl WebSocketPipe {
    pub(crate) fn new(io: Io, early: Bytes, options: Arc<TransportOptions>) -> Self {
        Self {
            io,
            decoder: Decoder::default(),
            early: (!early.is_empty()).then(|| Box::new(early)),
            rest: Bytes::new(),
            control: Vec::new(),
            end: None,
            expects_progress: false,
            deadline: Deadline::default(),
            options,
        }
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        if let Some(early) = self.early.take() {
            let before = input.len();
            self.decode(&mut Vec::from(*early), input);
            if input.len() > before {
                return Poll::Ready(Received::Data);
            }
        }
        for _ in 0..READS_WITHOUT_PAYLOAD {
            if !self.control.is_empty() && matches!(self.poll_flush(cx), Poll::Ready(Err(_))) {
                self.end.get_or_insert(TransportEnd::Lost);
            }
            if let Some(end) = self.end {
                return Poll::Ready(Received::End(end));
            }
            let before = input.len();
            ready!(self.poll_read(cx, input));
            if input.len() > before {
                return Poll::Ready(Received::Data);
            }
        }
        // There may be more.
        poll_again_after_others(cx);
        Poll::Pending
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        if self.deadline.is_closing() {
            return Poll::Ready(Err(PipeError::Closed));
        }
        loop {
            let Poll::Ready(flushed) = self.poll_flush(cx) else {
                if self.write_now(frames) {
                    continue;
                }
                return self.blocked();
            };
            if flushed.is_err() {
                return Poll::Ready(Err(PipeError::Lost));
            }
            if frames.is_empty() {
                self.deadline.write_done();
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready(written) = write::poll_frames(&mut self.io, cx, frames) else {
                if self.write_now(frames) {
                    continue;
                }
                return self.blocked();
            };
            let Ok(written) = written else { return Poll::Ready(Err(PipeError::Lost)) };
            self.rest = written.rest;
            self.deadline.write_progressed(written.bytes, self.options.pace());
        }
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.end == Some(TransportEnd::Lost) {
            return Poll::Ready(());
        }
        if self.deadline.begin_close(self.options.close_timeout) {
            let code = match self.end {
                Some(TransportEnd::Violated { code }) => code,
                // The peer's own code is not returned to it: ASP.NET Core does not either.
                Some(TransportEnd::Closed { .. } | TransportEnd::Lost) | None => NORMAL_CLOSURE,
            };
            encode_close(&mut self.control, code);
        }
        if ready!(self.poll_flush(cx)).is_err() {
            return Poll::Ready(());
        }
        if let Some(TransportEnd::Closed { .. }) = self.end {
            return self.io.poll_shutdown(cx);
        }
        self.poll_peer_close(cx)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.at(self.options.pace())
    }

    pub(crate) fn expect_progress(&mut self) {
        self.expects_progress = true;
    }

    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.deadline.blocked_since()
    }

    pub(crate) fn options(&self) -> &TransportOptions {
        &self.options
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        self.deadline.check(now, self.options.pace())
    }

    /// Reads once. What came is in `input`, `control` and `end`.
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<()> {
        scratch::with_read(|buffer| {
            match ready!(self.io.poll_read(cx, buffer)) {
                Ok(read @ 1..) => self.decode(buffer.get_mut(..read).unwrap_or_default(), input),
                Ok(0) | Err(_) => self.end = Some(TransportEnd::Lost),
            }
            Poll::Ready(())
        })
    }

    fn decode(&mut self, mut bytes: &mut [u8], input: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let used = match self.decoder.next(bytes) {
                Ok((used, event)) => {
                    match event {
                        Some(Decoded::Payload(payload)) => input.extend_from_slice(payload),
                        Some(Decoded::Ping(ping)) => {
                            if self.control.len() > PONG_BYTES {
                                self.control.clear();
                            }
                            encode_pong(&mut self.control, ping.bytes());
                        }
                        Some(Decoded::Close(code)) => self.end = Some(TransportEnd::Closed { code }),
                        None => {}
                    }
                    used
                }
                Err(violation) => {
                    self.end = Some(TransportEnd::Violated { code: violation.code() });
                    return;
                }
            };
            bytes = bytes.split_at_mut_checked(used).map(|(_, rest)| rest).unwrap_or_default();
        }
    }

    /// Writes what comes before any frame: the rest of the last one, then pongs or the close frame.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            if self.rest.is_empty() {
                if self.control.is_empty() {
                    return self.io.poll_flush(cx);
                }
                self.rest = Bytes::from(std::mem::take(&mut self.control));
            }
            let written = ready!(self.io.poll_write(cx, &self.rest))?;
            self.rest.advance(written.min(self.rest.len()));
            if self.rest.is_empty() {
                self.rest = Bytes::new();
            }
            self.deadline.write_progressed(written, self.options.pace());
        }
    }

    /// Reads until the peer has closed as well, and drops what it reads: a socket that is closed with bytes unread is
    /// reset, and the reset may overtake our close frame. What a peer sends after it has violated the protocol
    /// is not decoded; it is read until the peer closes the socket.
    fn poll_peer_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.end, Some(TransportEnd::Violated { .. })) {
            ready!(self.io.poll_shutdown(cx));
        }
        loop {
            match self.end {
                None => {
                    let mut ignored = Vec::new();
                    ready!(self.poll_read(cx, &mut ignored));
                    self.control.clear();
                }
                Some(TransportEnd::Violated { .. }) => {
                    let read = scratch::with_read(|buffer| self.io.poll_read(cx, buffer));
                    if !matches!(ready!(read), Ok(1..)) {
                        return Poll::Ready(());
                    }
                }
                Some(TransportEnd::Closed { .. } | TransportEnd::Lost) => return Poll::Ready(()),
            }
        }
    }

    /// Where progress is looked for: writes what comes next as far as the kernel takes it, and returns whether it did.
    fn write_now(&mut self, frames: &mut VecDeque<Frame>) -> bool {
        if !std::mem::take(&mut self.expects_progress) {
            return false;
        }
        let next = match frames.front() {
            Some(frame) if self.rest.is_empty() => frame.websocket(),
            _ => &self.rest,
        };
        let written = self.io.write_now(next);
        if self.rest.is_empty() {
            self.rest = write::remove_written(frames, written);
        } else {
            self.rest.advance(written.min(self.rest.len()));
        }
        self.expects_progress = written > 0;
        if written > 0 {
            self.deadline.write_progressed(written, self.options.pace());
        }
        written > 0
    }

    /// Starts the time of a write that did not take all, unless it runs already.
    fn blocked<T>(&mut self) -> Poll<T> {
        self.deadline.write_blocked(self.options.pace());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
