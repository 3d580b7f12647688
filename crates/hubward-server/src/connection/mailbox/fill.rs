//! How full a mailbox may be, and is.

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// How full a mailbox is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Fill {
    /// There is room for whoever can wait for it.
    Room,
    /// More than one part in [`WAITING_SHARE`] is taken: whoever can wait does.
    Crowded,
    /// The limit is reached.
    Full,
}
