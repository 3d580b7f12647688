//! A call that goes on in a task of its own, as the connection counts it: from its start until what it completed with is sent.

use std::sync::Arc;

use crate::connection::handle::ConnectionHandle;

/// One open call. It ends when this is dropped, whatever becomes of its task.
pub(crate) struct OpenCall {
    handle: Arc<ConnectionHandle>,
    call: u64,
}

impl OpenCall {
    /// Opens a call, whose client waits for a completion with this id.
    pub(crate) fn begin(handle: &Arc<ConnectionHandle>, call: u64, id: Option<&str>) -> Self {
        handle.calls.begin(call, id);
        Self { handle: handle.clone(), call }
    }

    /// Returns whether it may send its completion, which it has to do now: not where it has been failed.
    pub(crate) fn completes(&self) -> bool {
        self.handle.calls.completes(self.call)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.handle.calls.ended(self.call);
        self.handle.notify_settled();
    }
}
