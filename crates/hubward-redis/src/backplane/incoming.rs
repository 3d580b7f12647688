//! What has come over the subscribing connections and is not delivered yet. The connections are read all the time, so that
//! Redis never closes one for being slow; what this node cannot deliver in time waits here, bounded.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How much may wait, in bytes. Beyond, this node is too slow: its link counts as interrupted.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// What a message costs beyond its bytes, roughly.
const MESSAGE_BYTES: usize = 128;

#[derive(Default)]
pub(super) struct Incoming {
    messages: Mutex<Messages>,
    filled: Notify,
}

#[derive(Default)]
struct Messages {
    received: Vec<IncomingMessage>,
    bytes: usize,
}

/// One message, and the channel that it came on.
pub(super) struct IncomingMessage {
    pub(super) channel: Vec<u8>,
    pub(super) bytes: Bytes,
}

impl Incoming {
    /// Takes a message. False where there is no room for it.
    #[must_use]
    pub(super) fn push(&self, channel: Vec<u8>, bytes: Vec<u8>) -> bool {
        let mut messages = self.messages.lock();
        messages.bytes += channel.len() + bytes.len() + MESSAGE_BYTES;
        if messages.bytes > LIMIT_BYTES && !messages.received.is_empty() {
            return false;
        }
        let is_first = messages.received.is_empty();
        messages.received.push(IncomingMessage { channel, bytes: Bytes::from(bytes) });
        drop(messages);
        if is_first {
            self.filled.notify_one();
        }
        true
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.lock().received.is_empty()
    }

    /// Waits for messages, and takes all.
    pub(super) async fn take(&self) -> Vec<IncomingMessage> {
        loop {
            let received = std::mem::take(&mut *self.messages.lock()).received;
            if !received.is_empty() {
                return received;
            }
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_a_single_large_message_passes() {
        let incoming = Incoming::default();
        assert!(incoming.push(vec![], vec![0; LIMIT_BYTES + 1]));
        assert!(!incoming.push(vec![], vec![]));
        assert_eq!(incoming.take().await.len(), 1);
        let mut taken = 0;
        while incoming.push(vec![], vec![]) {
            taken += 1;
        }
        assert_eq!(taken, LIMIT_BYTES / MESSAGE_BYTES);
        assert_eq!(incoming.take().await.len(), taken);
    }
}
