//! Counts of messages that were lost or ignored.

use crate::error::RedisFailure;
use crate::limited_count::LimitedCount;

#[derive(Default)]
pub(super) struct Losses {
    unreadable: LimitedCount,
    unsent: LimitedCount,
}

impl Losses {
    /// Notes messages that were not ones of this version, and were ignored.
    pub(super) fn note_unreadable(&self, messages: u64) {
        if let Some(messages) = self.unreadable.add(messages) {
            tracing::warn!(
                messages,
                "Messages in Redis are not ones of this version of Hubward, and are ignored. Another program, or another \
                 version, publishes under the same prefix."
            );
        }
    }

    /// Notes messages that may not have been sent.
    pub(super) fn note_unsent(&self, messages: u64, failure: &RedisFailure) {
        if let Some(messages) = self.unsent.add(messages) {
            tracing::warn!(messages, error = %failure, "Messages for other nodes may not have been sent.");
        }
    }

    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable.total()
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent.total()
    }
}
