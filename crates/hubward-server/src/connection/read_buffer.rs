//! A read buffer per thread, lent to whichever connection is being read: an idle connection owns none.

use std::cell::Cell;

/// Capacity that a thread keeps; what a large message needed beyond it is freed.
const KEPT_BYTES: usize = 256 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs with an empty buffer of this thread.
pub(crate) fn with<R>(run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = run(&mut buffer);
    if buffer.capacity() <= KEPT_BYTES {
        BUFFER.set(buffer);
    }
    result
}
