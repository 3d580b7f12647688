//! What one poll of a WebSocket does.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use hubward_testing::frame::{PING, TEXT, masked};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::test_support::TestTask;

/// More reads than one poll may need; past them the socket is lost, so that a test of an endless loop ends.
const MOST_READS: usize = 1000;

/// A client that sends the same frame without end, and takes whatever it is sent.
struct Flood {
    frame: Vec<u8>,
    reads: Arc<AtomicUsize>,
}

impl AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads.fetch_add(1, Ordering::Relaxed) < MOST_READS {
            while buffer.remaining() >= self.frame.len() {
                buffer.put_slice(&self.frame);
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

fn open(frame: Vec<u8>) -> (WebSocketPipe, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let io = Io::Other(Box::new(Flood { frame, reads: reads.clone() }));
    (WebSocketPipe::new(io, Bytes::new(), Arc::default()), reads)
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_without_payload_lets_others_work_in_between() {
    for first in [PING, TEXT] {
        let ((mut pipe, reads), owner) = (open(masked(first, b"")), TestTask::new());
        assert!(pipe.poll_receive(&mut owner.cx(), &mut Vec::new()).is_pending());
        assert_eq!(reads.load(Ordering::Relaxed), READS_WITHOUT_PAYLOAD);
        assert!(owner.was_woken());
    }
}
