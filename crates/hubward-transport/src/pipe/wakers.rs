//! How two sides of a lock wake each other: each stores its waker in the guarded state, and the other takes it,
//! releases the lock and only then wakes it, so that the woken task does not find it locked.

use std::task::{Context, Waker};

use parking_lot::MutexGuard;

/// The waker of the task that waits, if one does.
#[derive(Default)]
pub(crate) struct WakerSlot(Option<Waker>);

impl WakerSlot {
    /// Stores the waker of the task that polls, in place of an older one. One that wakes the same task stays and is
    /// not cloned again.
    pub(crate) fn store(&mut self, cx: &Context<'_>) {
        match &mut self.0 {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.0 = Some(cx.waker().clone()),
        }
    }

    /// Drops the waker: its task does not wait any more.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

/// Takes the wakers out of the slots that `slots` names, releases the lock, and wakes.
pub(crate) fn unlock_and_wake<T, const N: usize>(
    mut guard: MutexGuard<'_, T>,
    slots: impl for<'a> FnOnce(&'a mut T) -> [&'a mut WakerSlot; N],
) {
    let wakers = slots(&mut guard).map(|slot| slot.0.take());
    drop(guard);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

#[cfg(test)]
mod tests;
