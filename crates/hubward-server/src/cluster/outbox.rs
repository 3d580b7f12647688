//! What a hub publishes, in the order in which it was sent. A message for a connection of another node waits until it is
//! known of which; what the hub sends meanwhile queues behind it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::try_join_all;
use hubward_backplane::{Backplane, BackplaneError, BoxFuture, Order, Topic};
use hubward_hub::{SendError, Sending};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::bounded::backplane::published;

/// How much may queue, in messages and in bytes. More is refused: it would have to wait without bound.
const QUEUED_MESSAGES: usize = 64 * 1024;
const QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// One envelope, and on which topics it is published.
pub(crate) struct Parcel {
    pub(crate) topics: Vec<Topic>,
    pub(crate) envelope: Bytes,
}

type Published = BoxFuture<'static, Result<(), SendError>>;

#[derive(Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Entries in the queue. Whoever finds none publishes at once: all that was sent before it has been published.
    queued: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
}

struct Entry {
    /// `None` while the recipients are looked up.
    parcels: Option<Result<Vec<Parcel>, SendError>>,
    bytes: usize,
    published: oneshot::Sender<Published>,
}

impl Outbox {
    /// Publishes on topics of groups and users in its turn: at once, where the backplane keeps no order between these and
    /// the topics of nodes, which the queue is for.
    pub(crate) fn publish(&self, backplane: &Arc<dyn Backplane>, parcel: Parcel) -> Sending {
        if self.queued.load(Ordering::Acquire) == 0 || backplane.order() == Order::PerTopic {
            return Sending::later(publish_all(backplane, vec![parcel]));
        }
        self.publish_all(backplane, vec![parcel])
    }

    /// Publishes several envelopes in their turn.
    pub(crate) fn publish_all(&self, backplane: &Arc<dyn Backplane>, parcels: Vec<Parcel>) -> Sending {
        let mut queue = self.queue.lock();
        if queue.entries.is_empty() {
            return Sending::later(publish_all(backplane, parcels));
        }
        let bytes = parcels.iter().map(|parcel| parcel.envelope.len()).sum();
        match queue.push(Some(Ok(parcels)), bytes) {
            Some((_, published)) => {
                self.queued.store(queue.entries.len(), Ordering::Release);
                in_turn(published)
            }
            None => Sending::done(Err(overloaded())),
        }
    }

    /// Takes the turn of a message whose recipients are to be looked up, and returns its number for
    /// [`resolve`](Self::resolve); `None` where there is no room.
    pub(crate) fn reserve(&self, bytes: usize) -> (Option<u64>, Sending) {
        let mut queue = self.queue.lock();
        match queue.push(None, bytes) {
            Some((number, published)) => {
                self.queued.store(queue.entries.len(), Ordering::Release);
                (Some(number), in_turn(published))
            }
            None => (None, Sending::done(Err(overloaded()))),
        }
    }

    /// Publishes an entry whose recipients are known now, if it is its turn, and all that waited for it.
    pub(crate) fn resolve(
        &self,
        backplane: &Arc<dyn Backplane>,
        number: u64,
        parcels: Result<Vec<Parcel>, SendError>,
    ) {
        let mut queue = self.queue.lock();
        let place = usize::try_from(number.wrapping_sub(queue.first)).unwrap_or(usize::MAX);
        if let Some(entry) = queue.entries.get_mut(place) {
            entry.parcels = Some(parcels);
        }
        while queue.entries.front().is_some_and(|entry| entry.parcels.is_some()) {
            let Some(entry) = queue.entries.pop_front() else { break };
            queue.first += 1;
            queue.bytes -= entry.bytes;
            let published = match entry.parcels {
                Some(Ok(parcels)) => publish_all(backplane, parcels),
                Some(Err(error)) => Box::pin(async { Err(error) }),
                None => continue,
            };
            // Nobody may wait for it; it is published all the same.
            let _ = entry.published.send(published);
        }
        self.queued.store(queue.entries.len(), Ordering::Release);
    }
}

impl Queue {
    /// Adds an entry; `None` where there is no room. Returns its number, and what becomes of it.
    fn push(
        &mut self,
        parcels: Option<Result<Vec<Parcel>, SendError>>,
        bytes: usize,
    ) -> Option<(u64, oneshot::Receiver<Published>)> {
        if self.entries.len() >= QUEUED_MESSAGES || self.bytes + bytes > QUEUED_BYTES {
            return None;
        }
        let (published, receiver) = oneshot::channel();
        self.entries.push_back(Entry { parcels, bytes, published });
        self.bytes += bytes;
        Some((self.first + self.entries.len() as u64 - 1, receiver))
    }
}

fn overloaded() -> SendError {
    let reason = "too many messages wait for their recipients to be looked up in the group store";
    SendError::Backplane { reason: reason.to_owned() }
}

/// Publishes now; the future reports what became of it.
fn publish_all(backplane: &Arc<dyn Backplane>, parcels: Vec<Parcel>) -> Published {
    let publish = |parcel: Parcel| published(backplane.publish(parcel.topics, parcel.envelope));
    let publishing: Vec<_> = parcels.into_iter().map(publish).collect();
    Box::pin(async {
        let failed = |error: BackplaneError| SendError::Backplane { reason: error.to_string() };
        try_join_all(publishing).await.map(|_| ()).map_err(failed)
    })
}

fn in_turn(published: oneshot::Receiver<Published>) -> Sending {
    Sending::later(Box::pin(async {
        match published.await {
            Ok(published) => published.await,
            Err(_) => Err(SendError::Backplane { reason: "the node has been shut down".to_owned() }),
        }
    }))
}

#[cfg(test)]
mod tests;
