//! Writes frames to the kernel, many in one call. Small ones are copied together, since that costs less than a slice
//! each; large ones are written from where they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hubward_proto::Frame;

use super::io::Io;
use crate::pipe::scratch;

/// A frame of this size or more is not copied: past a page, copying costs more than one more slice.
const LARGE_BYTES: usize = 4 << 10;
/// How much goes into one write: a socket's send buffer seldom takes more.
const BATCH_BYTES: usize = 64 << 10;
/// How many slices go into one write. It is reached only where large frames and small ones alternate.
const SLICES: usize = 16;

/// A run of small frames in the scratch buffer, which ends at `until`, or one large frame.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Copied { until: usize },
    Large(&'a [u8]),
}

/// What one write took.
pub(super) struct Written {
    pub(super) bytes: usize,
    /// The rest of a frame that was written in part.
    pub(super) rest: Bytes,
}

/// Writes once, and removes what was written from the queue, which must not be empty.
pub(super) fn poll_frames(
    io: &mut Io,
    cx: &mut Context<'_>,
    frames: &mut VecDeque<Frame>,
) -> Poll<io::Result<Written>> {
    let bytes = match frames.front() {
        Some(only) if frames.len() == 1 => ready!(io.poll_write(cx, only.websocket()))?,
        _ => ready!(poll_batch(io, cx, frames))?,
    };
    Poll::Ready(Ok(Written { bytes, rest: remove_written(frames, bytes) }))
}

fn poll_batch(io: &mut Io, cx: &mut Context<'_>, frames: &VecDeque<Frame>) -> Poll<io::Result<usize>> {
    scratch::with_write(|copied| {
        let mut pieces = [const { None }; SLICES];
        let count = gather(frames, copied, &mut pieces);
        if let [Some(Piece::Copied { .. }), None, ..] = pieces {
            return io.poll_write(cx, copied);
        }
        let mut rest = copied.as_slice();
        let mut taken = 0;
        let slices = pieces.map(|piece| match piece {
            Some(Piece::Copied { until }) => {
                let (run, after) = rest.split_at_checked(until - taken).unwrap_or_default();
                (taken, rest) = (until, after);
                IoSlice::new(run)
            }
            Some(Piece::Large(bytes)) => IoSlice::new(bytes),
            None => IoSlice::new(&[]),
        });
        io.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
    })
}

/// Chooses what goes into one write. Returns the number of pieces.
fn gather<'a>(
    frames: &'a VecDeque<Frame>,
    copied: &mut Vec<u8>,
    pieces: &mut [Option<Piece<'a>>; SLICES],
) -> usize {
    let mut total = 0;
    let mut count = 0usize;
    let mut after_copied = false;
    for frame in frames {
        if total >= BATCH_BYTES {
            break;
        }
        let bytes = frame.websocket();
        let small = bytes.len() < LARGE_BYTES;
        let at = if small && after_copied { count.saturating_sub(1) } else { count };
        let Some(slot) = pieces.get_mut(at) else { break };
        *slot = Some(if small {
            copied.extend_from_slice(bytes);
            Piece::Copied { until: copied.len() }
        } else {
            Piece::Large(bytes)
        });
        total += bytes.len();
        count = at + 1;
        after_copied = small;
    }
    count
}

/// Removes what was written from the queue. Returns the rest of a frame that was written in part.
pub(super) fn remove_written(frames: &mut VecDeque<Frame>, mut written: usize) -> Bytes {
    while written > 0 {
        let Some(frame) = frames.pop_front() else { break };
        let bytes = frame.websocket();
        if written < bytes.len() {
            return bytes.slice(written..);
        }
        written -= bytes.len();
    }
    Bytes::new()
}
