//! A thread's input buffer: a connection that is not being read owns none.

use std::cell::Cell;

/// Bytes that a thread keeps; what a large message needed beyond that is given back.
const KEPT_BYTES: usize = 256 * 1024;

thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs with an empty buffer of this thread.
pub(crate) fn with<R>(run: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut input = INPUT.take();
    input.clear();
    let result = run(&mut input);
    if input.capacity() <= KEPT_BYTES {
        INPUT.set(input);
    }
    result
}
