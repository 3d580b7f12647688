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
/// not respond counts as away. As much again may wait of sends that are bulky by themselves.
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
    /// What waits of sends to few, and of those that senders wait for by themselves. A client can have a hub send its message to
    /// thousands of groups with one call: the sends of others are not to be refused for that.
    used: [Used; 2],
}

/// How much of its room is used.
#[derive(Clone, Copy, Default)]
struct Used {
    messages: usize,
    bytes: usize,
}

/// Which room a send takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Room {
    Usual,
    Bulky,
}

/// One message for one channel.
pub(super) struct Publication {
    pub(super) topic: Topic,
    pub(super) channel: Box<[u8]>,
    pub(super) message: Bytes,
    room: Room,
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
        self.queue.lock().used().is_busy()
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
        while batch.len() < BATCH_MESSAGES {
            let Some(next) = queue.publications.front() else { break };
            bytes += next.message.len();
            // One that is larger than a batch is one by itself.
            if bytes > BATCH_BYTES && !batch.is_empty() {
                break;
            }
            batch.extend(queue.pop());
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
            queue.take_room(&publication);
            queue.publications.push_front(publication);
        }
    }

    /// Offers all that waits to somebody who may hold it. What is not taken goes on waiting.
    pub(super) fn hand_back(&self, take: impl FnOnce(Vec<UnsentEnvelope>) -> Vec<Option<PublishOutcome>>) {
        let mut queue = self.queue.lock();
        queue.used = Default::default();
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
        queue.used = Default::default();
        let publications = std::mem::take(&mut queue.publications);
        drop(queue);
        drop(publications);
    }
}

impl Queue {
    fn check(&self, messages: usize, bytes: usize) -> Result<(), BackplaneError> {
        self.status.check()?;
        let added = Used::of(messages, bytes);
        let used = self.used_of(added.room());
        // One that is larger than all that may wait has to pass, too, when nothing does.
        let is_full = used.bytes.saturating_add(added.bytes) > LIMIT_BYTES && used.messages > 0;
        if is_full || used.messages + messages > LIMIT_MESSAGES {
            return Err(BackplaneError::Overloaded { limit_bytes: LIMIT_BYTES });
        }
        Ok(())
    }

    /// All that waits.
    fn used(&self) -> Used {
        let [usual, bulky] = self.used;
        Used { messages: usual.messages + bulky.messages, bytes: usual.bytes + bulky.bytes }
    }

    fn used_of(&self, room: Room) -> Used {
        let [usual, bulky] = self.used;
        match room {
            Room::Usual => usual,
            Room::Bulky => bulky,
        }
    }

    fn used_mut(&mut self, room: Room) -> &mut Used {
        let [usual, bulky] = &mut self.used;
        match room {
            Room::Usual => usual,
            Room::Bulky => bulky,
        }
    }

    fn take_room(&mut self, publication: &Publication) {
        let used = self.used_mut(publication.room);
        used.messages += 1;
        used.bytes += publication.bytes();
    }

    fn give_room(&mut self, publication: &Publication) {
        let used = self.used_mut(publication.room);
        used.messages = used.messages.saturating_sub(1);
        used.bytes = used.bytes.saturating_sub(publication.bytes());
    }

    /// Adds a message for each channel. Returns what becomes of the last of them; none where there are no channels.
    fn add(
        &mut self,
        channels: Vec<(Box<[u8]>, Topic)>,
        message: Bytes,
    ) -> Option<oneshot::Receiver<PublicationEnd>> {
        let (since, room) = (Instant::now(), Used::of(channels.len(), message.len()).room());
        let last = channels.len().checked_sub(1)?;
        let mut published = None;
        for (place, (channel, topic)) in channels.into_iter().enumerate() {
            let done = (place == last).then(|| {
                let (done, awaited) = oneshot::channel();
                published = Some(awaited);
                done
            });
            self.push(Publication { topic, channel, message: message.clone(), room, since, done });
        }
        published
    }

    fn push(&mut self, publication: Publication) {
        self.take_room(&publication);
        self.publications.push_back(publication);
    }

    fn pop(&mut self) -> Option<Publication> {
        let publication = self.publications.pop_front()?;
        self.give_room(&publication);
        Some(publication)
    }
}

impl Used {
    /// What a message of this size takes on so many channels.
    fn of(messages: usize, bytes: usize) -> Self {
        Self { messages, bytes: messages.saturating_mul(bytes + MESSAGE_BYTES) }
    }

    fn is_busy(self) -> bool {
        self.bytes > BUSY_BYTES || self.messages > BUSY_MESSAGES
    }

    /// A send is bulky where senders would wait for it if it were alone.
    fn room(self) -> Room {
        if self.is_busy() { Room::Bulky } else { Room::Usual }
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn outgoing() -> Outgoing {
        let outgoing = Outgoing::default();
        outgoing.set_status(BackplaneStatus::Up);
        outgoing
    }

    /// Sends a message to so many groups. False where there is no room for it.
    fn send(outgoing: &Outgoing, groups: usize, bytes: usize) -> bool {
        let channels = (0..groups).map(|number| {
            let name = number.to_string();
            (name.as_bytes().into(), Topic::Group("hub".into(), name.into()))
        });
        let sent = outgoing.push(channels, vec![0; bytes].into()).now_or_never();
        !matches!(sent, Some(Err(BackplaneError::Overloaded { .. })))
    }

    #[test]
    fn one_send_to_very_many_leaves_room_for_those_of_others() {
        for (groups, bytes) in [(300, 15_000), (10_000, 0), (1, 3_000_000), (1, 2 * LIMIT_BYTES)] {
            let outgoing = outgoing();
            assert!(send(&outgoing, groups, bytes) && outgoing.is_busy());
            while send(&outgoing, groups, bytes) {}
            for number in 0..2_000 {
                assert!(send(&outgoing, 1, 30_000), "{number} after {groups} of {bytes} bytes");
            }
            while !outgoing.take().is_empty() {}
            assert!(!outgoing.is_busy());
            assert!(send(&outgoing, groups, bytes), "the room has not become free again");
        }
    }

    #[test]
    fn what_waits_is_bounded_whatever_it_is() {
        let outgoing = outgoing();
        let sends = |groups, bytes| {
            let mut sent = 0;
            while send(&outgoing, groups, bytes) {
                sent += 1;
            }
            sent
        };
        assert!(sends(2_300, 15_000) <= 2);
        assert!(sends(1, 1_000_000) <= 67);
        assert!(sends(1, 0) <= LIMIT_MESSAGES);
        assert!(outgoing.queue.lock().publications.len() <= 2 * LIMIT_MESSAGES);
        outgoing.clear();
        assert!(!outgoing.is_busy() && send(&outgoing, 2_300, 15_000));
    }
}
