//! A client that never stops sending.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads of a flood. Past them its socket has ended, so that a test of an endless loop ends, too.
const MOST_READS: usize = 1000;

/// A socket whose client sends something once, and then the same again and again, and takes whatever it is sent.
pub struct Flood {
    first: Option<Vec<u8>>,
    again: Vec<u8>,
    reads: Arc<AtomicUsize>,
}

impl Flood {
    /// Makes the flood, and the count of how often it is read.
    #[must_use]
    pub fn new(first: Option<Vec<u8>>, again: Vec<u8>) -> (Self, Arc<AtomicUsize>) {
        let reads = Arc::<AtomicUsize>::default();
        (Self { first, again, reads: reads.clone() }, reads)
    }
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads.fetch_add(1, Ordering::Relaxed) < MOST_READS {
            buffer.put_slice(&self.first.take().unwrap_or_default());
            while buffer.remaining() >= self.again.len() {
                buffer.put_slice(&self.again);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
