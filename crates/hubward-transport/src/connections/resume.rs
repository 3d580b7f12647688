//! Where a new WebSocket of a stateful connection waits until the connection's owner takes it over.

use std::task::{Context, Poll};

use parking_lot::Mutex;

use crate::pipe::Pipe;
use crate::pipe::wakers::{WakerSlot, unlock_and_wake};

#[derive(Default)]
pub(crate) struct Resume {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    permission: Permission,
    pipe: Option<Pipe>,
    owner: WakerSlot,
}

/// Whether the connection may be resumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Permission {
    /// It has yet to open.
    #[default]
    NotYet,
    Allowed,
    Forbidden,
}

impl Resume {
    pub(crate) fn permission(&self) -> Permission {
        self.state.lock().permission
    }

    /// Allows resuming, unless it is forbidden already.
    pub(crate) fn allow(&self) {
        let mut state = self.state.lock();
        if state.permission == Permission::NotYet {
            state.permission = Permission::Allowed;
        }
    }

    /// Forbids resuming: no pipe is accepted any more, and one that waits is dropped.
    pub(crate) fn forbid(&self) {
        let mut state = self.state.lock();
        state.permission = Permission::Forbidden;
        state.owner.clear();
        let waiting = state.pipe.take();
        // Dropping a pipe closes its socket: not inside the lock.
        drop(state);
        drop(waiting);
    }

    /// Hands a pipe over; the newest wins. Where resuming is forbidden by now, the pipe is dropped.
    pub(crate) fn offer(&self, pipe: Pipe) {
        let mut state = self.state.lock();
        if state.permission == Permission::Forbidden {
            return;
        }
        let older = state.pipe.replace(pipe);
        unlock_and_wake(state, |state| [&mut state.owner]);
        drop(older);
    }

    /// Is ready with the newest pipe that was offered.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Pipe> {
        let mut state = self.state.lock();
        match state.pipe.take() {
            Some(pipe) => Poll::Ready(pipe),
            None => {
                state.owner.store(cx);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests;
