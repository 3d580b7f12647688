//! How much of what a server sends is held at once, whatever it sends.

/// The most bytes of one reply, in its strings and lines: a page of a listing (1,000 members) whose names are as long as the
/// headers of a request allow (16 KiB) has half of them.
pub(super) const MAX_REPLY_BYTES: usize = 32 * 1024 * 1024;
/// The most values of one reply, each of which takes some 50 bytes beside its own: a Cluster whose 16,384 slots all are ranges of
/// their own, with two replicas for each, has 400,000. A user may be in half as many groups.
pub(super) const MAX_REPLY_VALUES: u64 = 512 * 1024;
/// How many values may be within each other. The reply to `CLUSTER SLOTS` has four.
pub(super) const MAX_DEPTH: usize = 8;
/// The longest line, such as an error of a script. Redis cuts its own.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;
/// The most bytes of what comes without having been asked for, where no messages are subscribed to: what a node announces.
const MAX_PUSH_BYTES: usize = 1024 * 1024;
/// What comes with a message: its kind, and its channel, whose name has those of a hub and a group.
const MAX_CHANNEL_BYTES: usize = 1024 * 1024;

/// The longest string that is skipped, where it is longer than what is held: whoever may publish on a channel can send one of
/// this size, as Redis allows (`proto-max-bulk-len`, by default), and must not end the subscriptions of a node by that.
pub(super) const MAX_STRING_BYTES: u64 = 512 * 1024 * 1024;
/// The most values that are skipped, of a reply that has more than are held.
pub(super) const MAX_SKIPPED_VALUES: u64 = 16 * 1024 * 1024;

/// How much of one value is held.
#[derive(Clone, Copy)]
pub(super) struct ReplyLimits {
    /// In the strings and lines of a reply.
    pub(super) reply_bytes: usize,
    pub(super) reply_values: u64,
    /// The same in what comes without having been asked for.
    pub(super) push_bytes: usize,
}

impl ReplyLimits {
    /// The limits of a connection, which subscribes to messages of at most so many bytes, if to any.
    pub(super) fn new(max_message_bytes: Option<usize>) -> Self {
        let push_bytes = max_message_bytes.map_or(MAX_PUSH_BYTES, |bytes| bytes + MAX_CHANNEL_BYTES);
        Self { reply_bytes: MAX_REPLY_BYTES, reply_values: MAX_REPLY_VALUES, push_bytes }
    }
}
