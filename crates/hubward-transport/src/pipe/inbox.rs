//! What POSTs have brought and the connection's owner has not yet read. Bounded: one POST at a time has its turn,
//! and it waits while more than the application buffer is unread.

use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::connections::resume::remember;
use crate::pipe::{Received, TransportEnd};

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Serialises POSTs in the order in which they came.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    unread: Vec<u8>,
    end: Option<TransportEnd>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Inbox {
    /// Puts a body in when less than `limit` bytes are unread (0: at once). `Err` when the connection has ended.
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
            remember(&mut state.writer, cx);
            return Poll::Pending;
        }
        if state.unread.is_empty() {
            state.unread = std::mem::take(body);
        } else {
            state.unread.append(body);
        }
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Poll::Ready(Ok(()))
    }

    /// Is ready as soon as the connection has ended. Only the POST whose turn it is may ask.
    pub(crate) fn poll_ended(&self, cx: &Context<'_>) -> Poll<TransportEnd> {
        let mut state = self.state.lock();
        match state.end {
            Some(end) => Poll::Ready(end),
            None => {
                remember(&mut state.writer, cx);
                Poll::Pending
            }
        }
    }

    pub(crate) fn poll_receive(&self, cx: &Context<'_>, input: &mut Vec<u8>) -> Poll<Received> {
        let mut state = self.state.lock();
        if !state.unread.is_empty() {
            if input.is_empty() {
                std::mem::swap(input, &mut state.unread);
            } else {
                input.append(&mut state.unread);
            }
            state.unread = Vec::new();
            let writer = state.writer.take();
            drop(state);
            wake(writer);
            return Poll::Ready(Received::Data);
        }
        if let Some(end) = state.end {
            return Poll::Ready(Received::End(end));
        }
        remember(&mut state.reader, cx);
        Poll::Pending
    }

    /// Lets nothing more in. The first reason stands.
    pub(crate) fn end(&self, end: TransportEnd) {
        let (reader, writer) = {
            let mut state = self.state.lock();
            state.end.get_or_insert(end);
            (state.reader.take(), state.writer.take())
        };
        wake(reader);
        wake(writer);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
