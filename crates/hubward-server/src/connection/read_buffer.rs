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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_empty_and_keeps_its_memory() {
        let capacity = with(|buffer| {
            buffer.extend([1; 1000]);
            buffer.capacity()
        });
        with(|buffer| assert_eq!((buffer.len(), buffer.capacity()), (0, capacity)));
    }

    #[test]
    fn what_a_large_message_needed_is_freed() {
        with(|buffer| buffer.reserve(KEPT_BYTES + 1));
        with(|buffer| assert_eq!(buffer.capacity(), 0));
    }

    #[test]
    fn a_buffer_may_be_lent_while_another_is() {
        with(|outer| {
            outer.push(1);
            with(|inner| inner.push(2));
            assert_eq!(outer[..], [1]);
        });
    }
}
