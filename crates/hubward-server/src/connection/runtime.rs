//! The runtime that connections run in. What others wait for runs there, whoever asks for it: a runtime with one thread may be
//! driven by nobody once its caller has gone on, and others may have no timer.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};

/// The runtime of the latest connection. Cheap to clone; all clones know the same.
#[derive(Clone, Default)]
pub(crate) struct ConnectionRuntime(Arc<Mutex<Option<Handle>>>);

impl ConnectionRuntime {
    /// Notes that a connection runs in this runtime.
    pub(crate) fn note(&self) {
        let Ok(current) = Handle::try_current() else { return };
        let mut known = self.0.lock();
        if known.as_ref().is_none_or(|known| known.id() != current.id()) {
            *known = Some(current);
        }
    }

    /// Forgets a runtime that has ended.
    pub(super) fn forget(&self) {
        // Dropped without the lock: it may be the last one that holds the runtime.
        let known = self.0.lock().take();
        drop(known);
    }

    /// The runtime of connections, as far as there are any.
    pub(super) fn handle(&self) -> Option<Handle> {
        self.0.lock().clone()
    }

    /// Where a task runs that others wait for; `None` where there is no runtime at all. One with several threads drives itself.
    pub(crate) fn driven(&self) -> Option<Handle> {
        let current = Handle::try_current().ok();
        let drives_itself =
            current.as_ref().is_some_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        if drives_itself { current } else { self.handle().or(current) }
    }
}
