//! Where a new WebSocket of a stateful connection waits for the connection's owner to take it over.

use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::Pipe;

#[derive(Default)]
pub(crate) struct Resume {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    forbidden: bool,
    pipe: Option<Pipe>,
    owner: Option<Waker>,
}

impl Resume {
    pub(crate) fn is_forbidden(&self) -> bool {
        self.state.lock().forbidden
    }

    /// Ends it: no pipe is taken any more, and one that waits is dropped.
    pub(crate) fn forbid(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.forbidden = true;
            state.owner = None;
            state.pipe.take()
        };
        drop(waiting);
    }

    /// Hands a pipe over; the newest wins. Where resuming is forbidden by now, the pipe is dropped.
    pub(crate) fn offer(&self, pipe: Pipe) {
        let (older, owner) = {
            let mut state = self.state.lock();
            if state.forbidden { (Some(pipe), None) } else { (state.pipe.replace(pipe), state.owner.take()) }
        };
        drop(older);
        if let Some(owner) = owner {
            owner.wake();
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Pipe> {
        let mut state = self.state.lock();
        if let Some(pipe) = state.pipe.take() {
            return Poll::Ready(pipe);
        }
        remember(&mut state.owner, cx);
        Poll::Pending
    }
}

/// Stores the waker of the task that asks, unless it is stored already.
pub(crate) fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
