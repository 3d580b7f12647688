//! A WebSocket as a pipe. It owns the socket and no buffers: reads go through the thread's scratch buffer straight
//! into the owner's input, writes go from the owner's frames to the kernel, and only the rest of a frame that the
//! kernel took in part is kept.

mod codec;
mod io;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hubward_proto::Frame;
use tokio::time::Instant;

pub(crate) use codec::encode_message_header;
pub(crate) use io::Io;

use crate::pipe::scratch;
use crate::pipe::{Received, TransportEnd};
use crate::{PipeError, TransportOptions};
use codec::{Decoder, Event, encode_close, encode_pong};

/// How many bytes of pongs may wait for the socket; past it only the newest ping is answered, as RFC 6455 §5.5.3
/// allows.
const PONG_BYTES: usize = 1024;

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
    close_sent: bool,
    /// When a blocked write, or after `close_sent` the wait for the peer, becomes too long.
    deadline: Option<Instant>,
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
            close_sent: false,
            deadline: None,
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
        loop {
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
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<(), PipeError>> {
        if self.close_sent {
            return Poll::Ready(Err(PipeError::Closed));
        }
        loop {
            let Poll::Ready(flushed) = self.poll_flush(cx) else { return self.blocked() };
            if flushed.is_err() {
                return Poll::Ready(Err(PipeError::Lost));
            }
            if frames.is_empty() {
                self.deadline = None;
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready(written) = write::poll_frames(&mut self.io, cx, frames) else {
                return self.blocked();
            };
            match written {
                Ok(rest) => self.rest = rest,
                Err(_) => return Poll::Ready(Err(PipeError::Lost)),
            }
            self.deadline = None;
        }
    }

    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>, code: u16) -> Poll<()> {
        if self.end == Some(TransportEnd::Lost) {
            return Poll::Ready(());
        }
        if !self.close_sent {
            self.close_sent = true;
            self.deadline = Some(Instant::now() + self.options.close_timeout);
            let code = match self.end {
                Some(TransportEnd::Violated { code }) => code,
                // Whatever code the peer gave: ASP.NET Core does not give it back.
                _ => code,
            };
            encode_close(&mut self.control, Some(code));
        }
        if ready!(self.poll_flush(cx)).is_err() {
            return Poll::Ready(());
        }
        if let Some(TransportEnd::Closed { .. }) = self.end {
            return self.io.poll_shutdown(cx);
        }
        self.poll_goodbye(cx)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn handle_deadline(&mut self, now: Instant) -> Result<(), PipeError> {
        match self.deadline {
            Some(deadline) if now >= deadline && self.close_sent => Err(PipeError::CloseTimeout),
            Some(deadline) if now >= deadline => Err(PipeError::SendTimeout),
            _ => Ok(()),
        }
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
                        Some(Event::Payload(payload)) => input.extend_from_slice(payload),
                        Some(Event::Ping(ping)) => {
                            if self.control.len() > PONG_BYTES {
                                self.control.clear();
                            }
                            encode_pong(&mut self.control, ping.bytes());
                        }
                        Some(Event::Close(code)) => self.end = Some(TransportEnd::Closed { code }),
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
            if !self.close_sent {
                self.deadline = None;
            }
        }
    }

    /// Reads on, for nothing, until the peer has said goodbye as well: closing a socket on bytes that were not read
    /// could take our close frame from the peer. One that broke the rules is only waited out.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

    /// Starts the clock of a write that makes no progress.
    fn blocked<T>(&mut self) -> Poll<T> {
        let timeout = self.options.send_timeout;
        self.deadline.get_or_insert_with(|| Instant::now() + timeout);
        Poll::Pending
    }
}
