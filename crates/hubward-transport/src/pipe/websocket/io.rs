//! What a WebSocket reads from and writes to: a TCP socket taken out of the HTTP server where there is one, so that
//! nothing lies between the pipe and the kernel; otherwise (TLS, a Unix socket, a test) what the server has.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::serve::socket::{Place, ServedSocket, write_now};

pub(crate) enum Io {
    /// With its place among the connections of its listener, where that has places.
    Tcp {
        socket: TcpStream,
        _place: Option<Place>,
    },
    Other(Box<dyn ByteStream>),
}

/// Any other stream of bytes.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

macro_rules! each {
    ($self:expr, $io:ident => $do:expr) => {
        match $self {
            Io::Tcp { socket, .. } => {
                let $io = Pin::new(socket);
                $do
            }
            Io::Other(other) => {
                let $io = Pin::new(&mut **other);
                $do
            }
        }
    };
}

impl Io {
    /// Takes the socket out of an upgraded connection, and what was read from it beyond the request.
    pub(crate) fn take(upgraded: Upgraded) -> (Self, Bytes) {
        let upgraded = match upgraded.downcast::<TokioIo<ServedSocket>>() {
            Ok(parts) => {
                let (socket, place) = parts.io.into_inner().into_parts();
                return (Self::Tcp { socket, _place: Some(place) }, parts.read_buf);
            }
            Err(upgraded) => upgraded,
        };
        match upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => Self::tcp(parts.io.into_inner(), parts.read_buf),
            Err(upgraded) => match upgraded.downcast::<TokioIo<TcpStream>>() {
                Ok(parts) => Self::tcp(parts.io.into_inner(), parts.read_buf),
                Err(upgraded) => (Self::Other(Box::new(TokioIo::new(upgraded))), Bytes::new()),
            },
        }
    }

    /// A message is one write, so waiting for more (Nagle's algorithm) would only delay it. A socket on which that
    /// cannot be turned off works as well.
    fn tcp(socket: TcpStream, early: Bytes) -> (Self, Bytes) {
        let _ = socket.set_nodelay(true);
        (Self::Tcp { socket, _place: None }, early)
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        each!(self, io => io.poll_read(cx, &mut buffer)).map_ok(|()| buffer.filled().len())
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => io.poll_write(cx, bytes)).map(not_zero)
    }

    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => io.poll_write_vectored(cx, slices)).map(not_zero)
    }

    /// Writes what the kernel has room for, though it has not notified of it; returns how much that is.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> usize {
        match self {
            Self::Tcp { socket, .. } => match write_now(socket, bytes) {
                Poll::Ready(Ok(written)) => written,
                // An error is the next write's to report.
                Poll::Ready(Err(_)) | Poll::Pending => 0,
            },
            Self::Other(_) => 0,
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp { .. } => Poll::Ready(Ok(())),
            Self::Other(other) => Pin::new(&mut **other).poll_flush(cx),
        }
    }

    /// Shuts our direction down. An error means that it is down already.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, io => io.poll_shutdown(cx)).map(|_| ())
    }
}

/// Turns a write of no bytes into an error: it would be retried without end.
fn not_zero(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        other => other,
    }
}
