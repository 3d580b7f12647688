//! What POSTs have brought and the connection's owner has not yet read. Bounded, with backpressure: POSTs take turns,
//! and the one whose turn it is waits while more than the application buffer is unread.

use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::received::{Received, TransportEnd};
use super::wakers::{WakerSlot, unlock_and_wake};

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Lets POSTs in one at a time, in the order in which they came.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    unread: Vec<u8>,
    end: Option<TransportEnd>,
    reader: WakerSlot,
    /// The POST whose turn it is.
    writer: WakerSlot,
}

impl Inbox {
    /// Puts a body in once less than `limit` bytes are unread; with a limit of 0, at once. Fails when the connection
    /// has ended.
    pub(crate) fn poll_put(
        &self,
        cx: &Context<'_>,
        body: &mut Vec<u8>,
        limit: usize,
    ) -> Poll<Result<(), TransportEnd>> {
        let mut state = self.state.lock();
        if let Some(end) = state.end {
            return Poll::Ready(Err(end));
        }
        if limit > 0 && state.unread.len() >= limit {
            state.writer.store(cx);
            return Poll::Pending;
        }
        if state.unread.is_empty() {
            state.unread = std::mem::take(body);
        } else {
            state.unread.append(body);
        }
        unlock_and_wake(state, |state| [&mut state.reader]);
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests;
