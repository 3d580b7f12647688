//! What waits to be published, in order. What would go beyond its bound is refused, and senders wait long before that: see
//! [`Outgoing::is_busy`].

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::ready;
use hubward_backplane::{BackplaneError, BoxFuture, PublishOutcome, Topic, UnsentEnvelope};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::frame;
use super::status::{BackplaneStatus, unavailable};
use crate::error::RedisFailure;

/// How much may wait, in bytes and in messages: as much as a busy node sends in the seconds after which a Redis that does
/// not respond counts as away.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;
const LIMIT_MESSAGES: usize = 128 * 1024;
/// How much may wait before senders wait as well: two batches. With less, a sender that waited for Redis each time would
/// send one message in each round trip, and each in a write of its own.
const BUSY_BYTES: usize = 2 * BATCH_BYTES;
const BUSY_MESSAGES: usize = 2 * BATCH_MESSAGES;
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
    pub(super) topic: Topic,
    pub(super) channel: Box<[u8]>,
    pub(super) message: Bytes,
    since: Instant,
    /// Whoever waits to know what becomes of it, where it is for the last channel of a message.
    done: Option<oneshot::Sender<PublicationEnd>>,
}

/// How it ends that a message waits here.
enum PublicationEnd {
    Known(Result<(), RedisFailure>),
    /// Somebody else holds it.
    HandedBack(PublishOutcome),
}

impl Outgoing {
    /// Takes a message for each of some channels, or none of them.
    pub(super) fn push(
        &self,
        channels: impl Iterator<Item = (Box<[u8]>, Topic)>,
        message: Bytes,
    ) -> BoxFuture<'static, Result<(), BackplaneError>> {
        let channels: Vec<_> = channels.collect();
        let mut queue = self.queue.lock();
        if let Err(error) = queue.check(channels.len(), message.len()) {
            return Box::pin(ready(Err(error)));
        }
        let published = queue.add(channels, message);
        drop(queue);
        self.filled.notify_one();
        match published {
            None => Box::pin(ready(Ok(()))),
            Some(published) => Box::pin(outcome(published)),
        }
    }

    /// Whether so much waits that senders had better wait, too.
    pub(super) fn is_busy(&self) -> bool {
        let queue = self.queue.lock();
        queue.bytes > BUSY_BYTES || queue.publications.len() > BUSY_MESSAGES
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

    /// Offers all that waits to somebody who may hold it. What is not taken goes on waiting.
    pub(super) fn hand_back(&self, take: impl FnOnce(Vec<UnsentEnvelope>) -> Vec<Option<PublishOutcome>>) {
        let mut queue = self.queue.lock();
        queue.bytes = 0;
        let waiting = std::mem::take(&mut queue.publications);
        drop(queue);
        if waiting.is_empty() {
            return;
        }
        let mut taken = take(waiting.iter().map(Publication::unsent).collect()).into_iter();
        let mut left = Vec::new();
        for publication in waiting {
            match taken.next() {
                Some(Some(outcome)) => publication.end(PublicationEnd::HandedBack(outcome)),
                _ => left.push(publication),
            }
        }
        self.put_back(left);
    }

    /// Fails what has waited for too long. Returns how many messages.
    pub(super) fn expire(&self, failure: &RedisFailure) -> u64 {
        let (mut queue, mut expired) = (self.queue.lock(), 0);
        while queue.publications.front().is_some_and(|first| first.since.elapsed() >= LONGEST_WAIT) {
            let Some(publication) = queue.pop() else { break };
            publication.finish(Err(failure.clone()));
            expired += 1;
        }
        expired
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

    /// Adds a message for each channel. Returns what becomes of the last of them; none where there are no channels.
    fn add(
        &mut self,
        channels: Vec<(Box<[u8]>, Topic)>,
        message: Bytes,
    ) -> Option<oneshot::Receiver<PublicationEnd>> {
        let since = Instant::now();
        let last = channels.len().checked_sub(1)?;
        let mut published = None;
        for (place, (channel, topic)) in channels.into_iter().enumerate() {
            let done = (place == last).then(|| {
                let (done, awaited) = oneshot::channel();
                published = Some(awaited);
                done
            });
            self.push(Publication { topic, channel, message: message.clone(), since, done });
        }
        published
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

    fn unsent(&self) -> UnsentEnvelope {
        // It was encoded here.
        let envelope = frame::decode(self.message.clone()).map(|(_, envelope)| envelope).unwrap_or_default();
        UnsentEnvelope { topic: self.topic.clone(), envelope }
    }

    /// Lets the sender know what became of it, if it waits.
    pub(super) fn finish(self, result: Result<(), RedisFailure>) {
        self.end(PublicationEnd::Known(result));
    }

    fn end(self, end: PublicationEnd) {
        if let Some(done) = self.done {
            let _ = done.send(end);
        }
    }
}

async fn outcome(published: oneshot::Receiver<PublicationEnd>) -> Result<(), BackplaneError> {
    let lost = "the link to Redis was interrupted; the message may have been sent or not";
    match published.await {
        Ok(PublicationEnd::Known(result)) => result.map_err(unavailable),
        Ok(PublicationEnd::HandedBack(outcome)) => outcome.await,
        Err(_) => Err(unavailable(RedisFailure::said(lost))),
    }
}
