//! Calls that wait for a client result. They have no permit meanwhile, and go on when they have it again.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::ControlMessage;

/// A call while it waits for a client result. Dropped before it has its permit again, it goes on all the same: it has
/// stopped waiting, and nothing holds it up.
pub(crate) struct SuspendedCall {
    caller: Arc<ConnectionHandle>,
    call: u64,
    resumes: bool,
}

impl SuspendedCall {
    /// Suspends a call; `None` where so many results are waited for by the caller's calls as are allowed.
    pub(crate) fn new(caller: Arc<ConnectionHandle>, call: u64, limit: usize) -> Option<Self> {
        if !caller.begin_waiting(limit) {
            return None;
        }
        caller.mailbox.complete(None, Some(ControlMessage::CallSuspended(call)));
        Some(Self { caller, call, resumes: false })
    }

    /// Waits until the call has its permit again. One whose connection closes meanwhile goes on without.
    pub(crate) async fn resume(mut self) {
        let (granted, permit) = oneshot::channel();
        self.resumes = true;
        self.caller.mailbox.complete(None, Some(ControlMessage::CallResumes(self.call, Some(granted))));
        let _ = permit.await;
    }
}

impl Drop for SuspendedCall {
    fn drop(&mut self) {
        self.caller.end_waiting();
        if !self.resumes {
            self.caller.mailbox.complete(None, Some(ControlMessage::CallResumes(self.call, None)));
        }
    }
}

#[cfg(test)]
mod tests;
