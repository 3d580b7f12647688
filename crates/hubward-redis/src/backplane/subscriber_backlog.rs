//! How much of what one node has published may still wait in Redis for its subscribers.
//!
//! Why: Redis closes a subscriber for which too much waits (`client-output-buffer-limit`), and says nothing of it to whoever
//! publishes. In one turn of its event loop it writes at most 64 KiB to each subscriber, but it reads more than that of a large
//! message; so large messages that follow each other closely pile up there, although every node reads as fast as it can. A publisher
//! therefore lets Redis have its turns before it sends more: each round trip takes at least one. It cannot know of what other
//! nodes publish, nor of subscribers whose networks are slow; the rest of the limit is for these.

use std::time::Duration;

use tokio::time::Instant;

/// How much may wait before more is sent: half of the soft limit of Redis's default, so that a stream of large messages does not
/// stay above it.
const ENOUGH_BYTES: usize = 4 * 1024 * 1024;
/// Redis reads this much in a turn (`PROTO_IOBUF_LEN`), unless an argument is larger than twice that. What is smaller is written
/// as fast as it is read.
const LARGE_BYTES: usize = 32 * 1024;
/// What Redis writes to a subscriber in a turn (`NET_MAX_WRITES_PER_EVENT`).
const TURN_BYTES: usize = 64 * 1024;
/// What it writes in a second at least, in turns which a publisher that is far away does not see.
const BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct SubscriberBacklog {
    bytes: usize,
    /// When that was.
    at: Instant,
}

impl SubscriberBacklog {
    pub(super) fn new() -> Self {
        Self { bytes: 0, at: Instant::now() }
    }

    /// Notes that a message of so many bytes is published.
    pub(super) fn add(&mut self, bytes: usize) {
        if bytes > LARGE_BYTES {
            self.pass(0);
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// Whether Redis is to have a turn before more is published.
    pub(super) fn is_high(&mut self) -> bool {
        if self.bytes > 0 {
            self.pass(0);
        }
        self.bytes > ENOUGH_BYTES
    }

    /// Notes that Redis has had a turn.
    pub(super) fn note_turn(&mut self) {
        self.pass(TURN_BYTES);
    }

    /// Takes off what was written since the last time, so many bytes at least.
    fn pass(&mut self, least: usize) {
        let now = Instant::now();
        let written = written_in(now - self.at);
        self.bytes = self.bytes.saturating_sub(written.max(least));
        self.at = now;
    }
}

fn written_in(time: Duration) -> usize {
    let bytes = u128::from(BYTES_PER_SECOND) * time.as_nanos() / 1_000_000_000;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test(start_paused = true)]
    async fn after_large_messages_redis_has_turns_until_little_waits() {
        let mut backlog = SubscriberBacklog::new();
        assert!(!backlog.is_high());
        backlog.add(4 * MIB);
        assert!(!backlog.is_high());
        backlog.add(4 * MIB);
        let mut turns = 0;
        while backlog.is_high() {
            backlog.note_turn();
            turns += 1;
        }
        assert_eq!(turns, 4 * MIB / TURN_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_less_after_a_while() {
        let mut backlog = SubscriberBacklog::new();
        backlog.add(8 * MIB);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert!(backlog.is_high());
        // A round trip that takes longer than a turn has had several.
        tokio::time::advance(Duration::from_millis(160)).await;
        backlog.note_turn();
        assert!(!backlog.is_high());
    }

    #[tokio::test(start_paused = true)]
    async fn small_messages_do_not_count() {
        let mut backlog = SubscriberBacklog::new();
        (0..1_000).for_each(|_| backlog.add(LARGE_BYTES));
        assert!(!backlog.is_high());
    }
}
