//! Changes that other nodes have asked this one for, and that are not done yet. Each waits for its turn, and whoever can publish
//! can ask for as many as it likes. Beyond a bound they are refused; what they would have read from the group store is read
//! when there are fewer, as after an interruption.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many there may be: more than the callers of a cluster wait for at the same time. Each is a task of some kilobytes.
pub(crate) const MOST_CHANGES: usize = 16 * 1024;

pub(crate) struct AskedChanges {
    places: Arc<Semaphore>,
    refused: AtomicBool,
}

impl Default for AskedChanges {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_CHANGES)), refused: AtomicBool::new(false) }
    }
}

impl AskedChanges {
    /// Takes a place, which is free again when it is dropped; `None` where the change is refused.
    pub(crate) fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().try_acquire_owned().ok();
        if place.is_none() {
            self.refused.store(true, Ordering::Relaxed);
        }
        place
    }

    /// Whether some were refused, and there is room again: they are to be made up for now.
    pub(crate) fn has_to_catch_up(&self) -> bool {
        self.places.available_permits() > MOST_CHANGES / 2 && self.refused.swap(false, Ordering::Relaxed)
    }
}
