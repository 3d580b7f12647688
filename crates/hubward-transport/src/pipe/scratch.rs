//! Buffers that belong to a thread and not to a connection, so that an idle connection holds none. A buffer is lent
//! while a closure runs; where it is lent already, a new one is made.

use std::cell::Cell;

/// How many bytes are read from a socket at once: about what its receive buffer holds, and few enough to stay in the
/// processor's cache.
pub(crate) const READ_BYTES: usize = 64 << 10;

thread_local! {
    static READ: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
    static WRITE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's read buffer, of [`READ_BYTES`].
pub(crate) fn with_read<R>(action: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = READ.take().unwrap_or_else(|| vec![0; READ_BYTES].into_boxed_slice());
    let result = action(&mut buffer);
    READ.set(Some(buffer));
    result
}

/// Lends the thread's write buffer, empty.
pub(crate) fn with_write<R>(action: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = WRITE.take();
    buffer.clear();
    let result = action(&mut buffer);
    WRITE.set(buffer);
    result
}
