//! Who is woken, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use parking_lot::Mutex;

use super::*;

/// Counts how often it is woken, and fails if the lock is held then. Its references show how often it was cloned.
#[derive(Default)]
struct Counter {
    state: Mutex<[WakerSlot; 2]>,
    woken: AtomicUsize,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        assert!(self.state.try_lock().is_some(), "it is woken inside the lock");
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn woken(&self) -> usize {
        self.woken.load(Ordering::Relaxed)
    }
}

#[test]
fn a_stored_waker_is_woken_once_and_outside_the_lock() {
    let counter = Arc::new(Counter::default());
    let waker = counter.clone().into();
    counter.state.lock()[0].store(&Context::from_waker(&waker));
    unlock_and_wake(counter.state.lock(), |[first, _]| [first]);
    assert_eq!(counter.woken(), 1);
    unlock_and_wake(counter.state.lock(), |[first, _]| [first]);
    assert_eq!(counter.woken(), 1, "it was taken");
}

#[test]
fn all_named_slots_are_woken_and_no_other() {
    let counter = Arc::new(Counter::default());
    let waker = counter.clone().into();
    let store_both =
        || counter.state.lock().iter_mut().for_each(|slot| slot.store(&Context::from_waker(&waker)));
    store_both();
    unlock_and_wake(counter.state.lock(), |[_, second]| [second]);
    assert_eq!(counter.woken(), 1);
    store_both();
    unlock_and_wake(counter.state.lock(), |[first, second]| [first, second]);
    assert_eq!(counter.woken(), 3);
}

#[test]
fn the_waker_of_the_same_task_is_not_cloned_again() {
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(counter.clone());
    let mut slot = WakerSlot::default();
    slot.store(&Context::from_waker(&waker));
    let references = Arc::strong_count(&counter);
    slot.store(&Context::from_waker(&waker));
    assert_eq!(Arc::strong_count(&counter), references);
}

#[test]
fn a_newer_task_takes_the_place_of_an_older_and_a_cleared_slot_wakes_nobody() {
    let (older, newer) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let state = Mutex::new(WakerSlot::default());
    for counter in [&older, &newer] {
        state.lock().store(&Context::from_waker(&counter.clone().into()));
    }
    unlock_and_wake(state.lock(), |slot| [slot]);
    assert_eq!((older.woken(), newer.woken()), (0, 1));

    state.lock().store(&Context::from_waker(&newer.clone().into()));
    state.lock().clear();
    unlock_and_wake(state.lock(), |slot| [slot]);
    assert_eq!(newer.woken(), 1);
}
