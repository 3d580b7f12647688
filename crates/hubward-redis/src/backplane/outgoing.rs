//! What waits to be published, in order. Bounded: what would go beyond it is refused.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{ready, try_join_all};
use hubward_backplane::{BackplaneError, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::status::{BackplaneStatus, unavailable};
use crate::error::RedisFailure;

/// How much may wait, in bytes and in messages: as much as a busy node sends in the seconds after which a Redis that does
/// not respond counts as away.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;
const LIMIT_MESSAGES: usize = 128 * 1024;
/// What a message costs beyond its bytes, roughly.
const MESSAGE_BYTES: usize = 128;
/// How long a message that was accepted may wait for a link that was interrupted meanwhile. Its sender waits no longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What is published at once, at most: enough for one write to be worth its cost, and not so much that it holds up what
/// comes after it.
const BATCH_MESSAGES: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;

#[derive(Default)]
pub(super) struct Outgoing {
    queue: Mutex<Queue>,
    filled: Notify,
    emptied: Notify,
}

#[derive(Default)]
struct Queue {
    status: BackplaneStatus,
    publications: VecDeque<Publication>,
    bytes: usize,
}

/// One message for one channel.
pub(super) struct Publication {
    pub(super) channel: Box<[u8]>,
    pub(super) message: Bytes,
    since: Instant,
    done: oneshot::Sender<Result<(), RedisFailure>>,
}

impl Outgoing {
    /// Takes a message for each of some channels, or none of them.
    pub(super) fn push(
        &self,
        channels: impl Iterator<Item = Box<[u8]>>,
        message: Bytes,
    ) -> BoxFuture<'static, Result<(), BackplaneError>> {
        let channels: Vec<_> = channels.collect();
        let mut queue = self.queue.lock();
        if let Err(error) = queue.check(channels.len(), message.len()) {
            return Box::pin(ready(Err(error)));
        }
        let since = Instant::now();
        let mut push = |channel| {
            let (done, published) = oneshot::channel();
            queue.push(Publication { channel, message: message.clone(), since, done });
            outcome(published)
        };
        let mut channels = channels.into_iter();
        let published: BoxFuture<'static, _> = match (channels.next(), channels.len()) {
            (None, _) => return Box::pin(ready(Ok(()))),
            (Some(only), 0) => Box::pin(push(only)),
            (Some(first), _) => {
                let all: Vec<_> = [first].into_iter().chain(channels).map(push).collect();
                Box::pin(async { try_join_all(all).await.map(|_| ()) })
            }
        };
        drop(queue);
        self.filled.notify_one();
        published
    }

    /// Waits until there is something to publish.
    pub(super) async fn filled(&self) {
        while self.queue.lock().publications.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Waits until everything that was taken is on its way.
    pub(super) async fn emptied(&self) {
        while !self.queue.lock().publications.is_empty() {
            self.emptied.notified().await;
        }
    }

    /// Takes what is to be published next.
    pub(super) fn take(&self) -> Vec<Publication> {
        let mut queue = self.queue.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_MESSAGES && bytes < BATCH_BYTES {
            let Some(publication) = queue.pop() else { break };
            bytes += publication.message.len();
            batch.push(publication);
        }
        if queue.publications.is_empty() {
            self.emptied.notify_one();
        }
        batch
    }

    /// Puts back what was certainly not published, before everything else.
    pub(super) fn put_back(&self, publications: Vec<Publication>) {
        let mut queue = self.queue.lock();
        for publication in publications.into_iter().rev() {
            queue.bytes += publication.bytes();
            queue.publications.push_front(publication);
        }
    }

    /// Fails what has waited for too long.
    pub(super) fn expire(&self) {
        let mut queue = self.queue.lock();
        while queue
            .publications
            .front()
            .is_some_and(|publication| publication.since.elapsed() >= LONGEST_WAIT)
        {
            let Some(publication) = queue.pop() else { break };
            publication
                .finish(Err(RedisFailure::said("Redis was away for too long; the message was not sent")));
        }
    }

    pub(super) fn set_status(&self, status: BackplaneStatus) {
        let mut queue = self.queue.lock();
        if !queue.status.is_stopped() {
            queue.status = status;
        }
    }

    /// Forgets all that waits. Whoever waits for it is notified by the end of its channel.
    pub(super) fn clear(&self) {
        let mut queue = self.queue.lock();
        queue.bytes = 0;
        let publications = std::mem::take(&mut queue.publications);
        drop(queue);
        drop(publications);
    }
}

impl Queue {
    fn check(&self, messages: usize, bytes: usize) -> Result<(), BackplaneError> {
        self.status.check()?;
        let added = messages.saturating_mul(bytes + MESSAGE_BYTES);
        // One that is larger than all that may wait has to pass, too, when nothing does.
        let is_full = self.bytes.saturating_add(added) > LIMIT_BYTES && !self.publications.is_empty();
        if is_full || self.publications.len() + messages > LIMIT_MESSAGES {
            return Err(BackplaneError::Overloaded { limit_bytes: LIMIT_BYTES });
        }
        Ok(())
    }

    fn push(&mut self, publication: Publication) {
        self.bytes += publication.bytes();
        self.publications.push_back(publication);
    }

    fn pop(&mut self) -> Option<Publication> {
        let publication = self.publications.pop_front()?;
        self.bytes = self.bytes.saturating_sub(publication.bytes());
        Some(publication)
    }
}

impl Publication {
    fn bytes(&self) -> usize {
        self.message.len() + self.channel.len() + MESSAGE_BYTES
    }

    /// Lets the sender know what became of it, if it waits.
    pub(super) fn finish(self, result: Result<(), RedisFailure>) {
        let _ = self.done.send(result);
    }
}

async fn outcome(published: oneshot::Receiver<Result<(), RedisFailure>>) -> Result<(), BackplaneError> {
    let lost = "the link to Redis was interrupted; the message may have been sent or not";
    published.await.unwrap_or_else(|_| Err(RedisFailure::said(lost))).map_err(unavailable)
}
