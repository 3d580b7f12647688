//! What a connection of a node that drains waits for: it begins no more calls, and closes when those that run have ended.

/// What a connection waits for before it closes because its node drains.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Finishing {
    /// Nothing: it does not close.
    No,
    /// All its calls.
    Calls,
    /// Its calls, but for those with streams, which may never end.
    CallsWithoutStreams,
}

#[cfg(test)]
mod tests;
