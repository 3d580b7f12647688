//! What POSTs have brought and the connection's owner has not yet read. Bounded, with backpressure: POSTs take turns,
//! and the one whose turn it is reads no more of its body while as much as the application buffer holds is unread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::{Mutex as TurnMutex, MutexGuard as TurnGuard};

use super::received::{Received, TransportEnd};
use super::wakers::{WakerSlot, unlock_and_wake};

/// How many POSTs of one connection may wait for their turn, which each does with a socket of its own. Official clients
/// send one after the other.
const WAITING_POSTS: usize = 64;

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Lets POSTs in one at a time, in the order in which they came.
    turn: TurnMutex<()>,
    /// How many POSTs have their turn or wait for it.
    posts: AtomicUsize,
}

#[derive(Default)]
struct State {
    unread: Vec<u8>,
    end: Option<TransportEnd>,
    reader: WakerSlot,
    /// The POST whose turn it is.
    writer: WakerSlot,
}

/// A POST's place among those of its connection.
pub(crate) struct PostPlace<'a>(&'a Inbox);

impl Inbox {
    /// Takes a place for a POST; `None` where too many wait.
    pub(crate) fn place(&self) -> Option<PostPlace<'_>> {
        let before = self.posts.fetch_add(1, Ordering::Relaxed);
        let place = PostPlace(self);
        (before <= WAITING_POSTS).then_some(place)
    }

    /// Is ready once less than `limit` bytes are unread; with a limit of 0, at once. Only for the POST whose turn it is,
    /// which may then put something in. Fails when the connection has ended.
    pub(crate) fn poll_room(&self, cx: &Context<'_>, limit: usize) -> Poll<Result<(), TransportEnd>> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Poll::Ready(Err(end));
        }
        if limit > 0 && state.unread.len() >= limit {
            state.writer.store(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts a body in, or a piece of it. Fails when the connection has ended.
    pub(crate) fn put(&self, mut piece: Vec<u8>) -> Result<(), TransportEnd> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Err(end);
        }
        if state.unread.is_empty() {
            state.unread = piece;
        } else {
            state.unread.append(&mut piece);
        }
        unlock_and_wake(state, |state| [&mut state.reader]);
        Ok(())
    }

    /// Is ready as soon as the connection has ended. Only for the POST whose turn it is.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<TransportEnd> {
        let mut state = self.state.lock();
        match state.end {
            Some(end) => Poll::Ready(end),
            None => {
                state.writer.store(cx);
                Poll::Pending
            }
        }
    }

    /// Appends what is unread to `input`. The end comes after all bytes.
    pub(crate) fn poll_receive(&self, cx: &Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        let mut state = self.state.lock();
        if !state.unread.is_empty() {
            if input.is_empty() {
                std::mem::swap(input, &mut state.unread);
            } else {
                input.append(&mut state.unread);
            }
            // An idle connection owns no buffer.
            state.unread = Vec::new();
            unlock_and_wake(state, |state| [&mut state.writer]);
            return Poll::Ready(Received::Data);
        }
        if let Some(end) = state.end {
            return Poll::Ready(Received::End(end));
        }
        state.reader.store(cx);
        Poll::Pending
    }

    /// Ends the inbox: it accepts nothing more, and both sides are woken. The first end stands.
    pub(crate) fn end(&self, end: TransportEnd) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        unlock_and_wake(state, |state| [&mut state.reader, &mut state.writer]);
    }
}

impl<'a> PostPlace<'a> {
    /// Waits for its turn.
    pub(crate) async fn turn(&self) -> TurnGuard<'a, ()> {
        self.0.turn.lock().await
    }
}

impl Drop for PostPlace<'_> {
    fn drop(&mut self) {
        self.0.posts.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
