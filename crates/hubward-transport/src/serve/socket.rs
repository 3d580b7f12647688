//! The socket of a served connection: it notes what the deadlines depend on. A WebSocket takes the bare TCP socket out
//! of it, and keeps the place among the connections.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::deadlines::{Attempt, SocketDeadlines};

/// How much the system buffers of what it has not sent: enough to keep a line busy. Otherwise it takes megabytes for a
/// client that reads nothing, which no limit of ours counts, and what is newest waits behind them.
const UNSENT_BYTES: u32 = 128 * 1024;

/// How long the rest of a body that nobody wants is read and discarded after its response, and how much of it. Closing over
/// unread bytes resets the connection, and whoever still sends would never read the response.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// A TCP socket under the deadlines of HTTP.
pub(crate) struct ServedSocket {
    tcp: TcpStream,
    place: Place,
    deadlines: Arc<SocketDeadlines>,
    lingering: Option<Lingering>,
}

/// The end of a connection whose client may still send.
struct Lingering {
    until: Pin<Box<Sleep>>,
    left_bytes: usize,
}

/// A connection's place among those of a listener. Dropping it releases the place.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes a place; `None` where `most` are taken.
    pub(super) fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        let place = Self(taken.clone());
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ServedSocket {
    pub(super) fn new(tcp: TcpStream, place: Place, deadlines: Arc<SocketDeadlines>) -> Self {
        Self { tcp, place, deadlines, lingering: None }
    }

    pub(crate) fn into_parts(self) -> (TcpStream, Place) {
        (self.tcp, self.place)
    }

    /// Notes what came of a write of `bytes`. One that finds no room, as far as the runtime knows, asks the system: it may
    /// have had some for long, and what it takes little by little looks like progress of the client.
    fn noted(&self, mut written: Poll<io::Result<usize>>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if written.is_pending() && !bytes.is_empty() && !self.deadlines.is_write_blocked() {
            written = write_now(&self.tcp, bytes);
        }
        match &written {
            Poll::Pending => self.deadlines.write_blocked(),
            Poll::Ready(Ok(bytes)) => self.deadlines.written(*bytes),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    /// Discards what the client still sends, until it has noticed the response, or for long enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { tcp, lingering, .. } = self;
        let lingering = lingering.get_or_insert_with(|| Lingering {
            until: Box::pin(tokio::time::sleep(LINGER)),
            left_bytes: LINGER_BYTES,
        });
        let mut discarded = [MaybeUninit::uninit(); 4096];
        while lingering.left_bytes > 0 {
            let mut buffer = ReadBuf::uninit(&mut discarded);
            match Pin::new(&mut *tcp).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    lingering.left_bytes = lingering.left_bytes.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return lingering.until.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }

    /// Writes although nothing notified of room, where that is due. If it is for the last time and nothing is taken, the
    /// connection is reset, and what lies in the system's buffer is not sent any more.
    fn attempt(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        let attempt = self.deadlines.attempt()?;
        if let Poll::Ready(Ok(written @ 1..)) = write_now(&self.tcp, bytes) {
            self.deadlines.written(written);
            return Some(Ok(written));
        }
        if attempt == Attempt::Probe {
            self.deadlines.end_probe();
            return None;
        }
        reset_when_closed(&self.tcp);
        Some(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ServedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.deadlines.received();
        }
        read
    }
}

impl AsyncWrite for ServedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = self.attempt(bytes) {
            return Poll::Ready(written);
        }
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.noted(written, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        if let Some(written) = self.attempt(first) {
            return Poll::Ready(written);
        }
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.noted(written, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    /// hyper flushes when it has written all that it holds.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadlines.all_written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            if let Some(time) = self.deadlines.time_for_rest() {
                give_up_after(&self.tcp, time);
            }
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            if !self.deadlines.is_body_left() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
    }
}

/// Sets what every connection has. A socket that cannot have it works as well.
pub(super) fn prepare(tcp: &TcpStream, unacknowledged: Duration) {
    let _ = tcp.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT_BYTES);
    give_up_after(tcp, unacknowledged);
}

/// Has the system give the connection up where sent data is unacknowledged, or cannot be sent, for this long.
#[cfg(target_os = "linux")]
fn give_up_after(tcp: &TcpStream, unacknowledged: Duration) {
    if let Ok(milliseconds) = u32::try_from(unacknowledged.as_millis()) {
        let _ = rustix::net::sockopt::set_tcp_user_timeout(tcp, milliseconds);
    }
}

#[cfg(not(target_os = "linux"))]
fn give_up_after(_tcp: &TcpStream, _unacknowledged: Duration) {}

/// Writes what the system has room for, whether or not it has notified of it. Linux does only when half of [`UNSENT_BYTES`]
/// are sent: a client that reads slowly takes longer for it than a write may make no progress.
#[cfg(target_os = "linux")]
pub(crate) fn write_now(tcp: &TcpStream, bytes: &[u8]) -> Poll<io::Result<usize>> {
    use rustix::net::SendFlags;
    match rustix::net::send(tcp, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Poll::Pending,
        sent => Poll::Ready(sent.map_err(io::Error::from)),
    }
}

/// Elsewhere, what the runtime knows has to do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn write_now(_tcp: &TcpStream, _bytes: &[u8]) -> Poll<io::Result<usize>> {
    Poll::Pending
}

#[cfg(unix)]
fn reset_when_closed(tcp: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
}

#[cfg(not(unix))]
fn reset_when_closed(_tcp: &TcpStream) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_socket_sends_at_once_keeps_little_and_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&tcp, Duration::from_secs(5));
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&tcp), Ok(5_000));
        assert!(tcp.nodelay().unwrap());
        assert_eq!(socket2::SockRef::from(&tcp).tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
        let never = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&never, Duration::MAX);
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&never), Ok(0));
    }
}
