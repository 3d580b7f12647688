//! A socket to Redis that holds back what is larger than any honest reply, so that whoever reads from it allocates no more than
//! the [limits](super::limits) say, whatever the server sends. What is within them is handed on as it was read, where it was read
//! to; it is neither copied nor looked at twice.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::commands::CommandCounter;
use super::first_error::FirstError;
use super::refused::ReplyRefused;
use super::replies::{MAX_UNDECIDED_BYTES, ReplyScanner, Scanned, Then};

pub(super) struct BoundedStream<S> {
    socket: S,
    replies: ReplyScanner,
    commands: CommandCounter,
    /// What was read and could not be handed on where it was read to, since something within it is left out, or since it is not
    /// known yet what it begins. It has at most what one read has returned, and is nearly always empty.
    held: BytesMut,
    /// How much of it is to be handed on as it is, and what follows that.
    ready_bytes: usize,
    instead: &'static [u8],
    /// Whether it takes more to know what it begins.
    is_undecided: bool,
    refused: Arc<OnceLock<ReplyRefused>>,
    first_error: FirstError,
    /// Why nothing can be written, while it is not known whether the server has said why.
    write_error: Option<io::Error>,
}

impl<S> BoundedStream<S> {
    pub(super) fn new(socket: S, replies: ReplyScanner) -> Self {
        Self {
            socket,
            replies,
            commands: CommandCounter::default(),
            held: BytesMut::new(),
            ready_bytes: 0,
            instead: b"",
            is_undecided: false,
            refused: Arc::default(),
            first_error: FirstError::default(),
            write_error: None,
        }
    }

    /// Where it is noted why this has failed, if what came was refused.
    pub(super) fn refused(&self) -> Arc<OnceLock<ReplyRefused>> {
        Arc::clone(&self.refused)
    }

    /// Where it is noted which error the server has begun with, if with any.
    pub(super) fn first_error(&self) -> FirstError {
        self.first_error.clone()
    }

    /// Hands on what is held and can be. False where there is none.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let room = buffer.remaining();
        if self.ready_bytes > 0 {
            let bytes = self.ready_bytes.min(room);
            buffer.put_slice(self.held.get(..bytes).unwrap_or_default());
            self.held.advance(bytes);
            self.ready_bytes -= bytes;
            return true;
        }
        if self.held.is_empty() {
            // It may have had all of a read.
            self.held = BytesMut::new();
        }
        let (now, later) = self.instead.split_at(self.instead.len().min(room));
        buffer.put_slice(now);
        self.instead = later;
        !now.is_empty()
    }

    /// Notes what becomes of what is held.
    fn decide(&mut self, scanned: &Scanned) {
        self.ready_bytes = scanned.bytes;
        match scanned.then {
            Then::Done => {}
            Then::Undecided => self.is_undecided = true,
            Then::Replaced { bytes, by } => {
                let mut rest = self.held.split_off(scanned.bytes);
                rest.advance(bytes);
                self.held.unsplit(rest);
                self.instead = by;
            }
            Then::Refused(refused) => {
                self.held.truncate(scanned.bytes);
                // The first reason counts.
                let _ = self.refused.set(refused);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> BoundedStream<S> {
    /// Reads to where the caller wants it. Ready where there is something for the caller, or the end.
    fn poll_read_through(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.first_error.note(read);
        let mut scanned = self.replies.scan(read);
        if let Then::Done = scanned.then {
            return Poll::Ready(Ok(true));
        }
        let passed = std::mem::take(&mut scanned.bytes);
        self.held.extend_from_slice(read.get(passed..).unwrap_or_default());
        buffer.set_filled(before + passed);
        self.decide(&scanned);
        Poll::Ready(Ok(passed > 0))
    }

    /// Reads what a server has said that has ended the connection before anything was read from it.
    fn poll_first_error(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut first = [0; 512];
        let mut first = ReadBuf::new(&mut first);
        if !self.first_error.is_known()
            && ready!(Pin::new(&mut self.socket).poll_read(cx, &mut first)).is_ok()
        {
            self.first_error.note(first.filled());
        }
        Poll::Ready(())
    }

    /// Reads a little, to know what begins. Returns whether there was anything.
    fn poll_read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut more = [0; MAX_UNDECIDED_BYTES];
        let mut more = ReadBuf::new(&mut more);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut more))?;
        self.held.extend_from_slice(more.filled());
        self.is_undecided = false;
        Poll::Ready(Ok(!more.filled().is_empty()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Each turn reads from the socket, of which the runtime sees to it that others have their turn, or hands on, or takes
        // from what is held.
        loop {
            if this.hand_on(buffer) {
                return Poll::Ready(Ok(()));
            }
            if let Some(refused) = this.refused.get() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *refused)));
            }
            if this.held.is_empty() {
                if ready!(this.poll_read_through(cx, buffer))? {
                    return Poll::Ready(Ok(()));
                }
            } else if this.is_undecided {
                if !ready!(this.poll_read_more(cx))? {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let scanned = this.replies.scan(&this.held);
                this.decide(&scanned);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for BoundedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.write_error.is_none() {
            match ready!(Pin::new(&mut this.socket).poll_write(cx, bytes)) {
                Ok(written) => {
                    this.replies.expect(this.commands.count(bytes.get(..written).unwrap_or_default()));
                    return Poll::Ready(Ok(written));
                }
                Err(error) => this.write_error = Some(error),
            }
        }
        ready!(this.poll_first_error(cx));
        Poll::Ready(Err(this.write_error.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
