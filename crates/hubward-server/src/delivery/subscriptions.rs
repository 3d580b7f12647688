//! Topics that this node subscribes to, with a count of the local interests in each: the first interest subscribes, the
//! end of the last one unsubscribes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubward_backplane::{Backplane, BackplaneError, BoxFuture, Topic};
use parking_lot::Mutex;

/// Shards of the counts, so that joins of different groups do not wait for each other.
const SHARDS: usize = 16;

type Subscribing = BoxFuture<'static, Vec<Result<(), BackplaneError>>>;

pub(crate) struct Subscriptions {
    backplane: Option<Arc<dyn Backplane>>,
    shards: [Mutex<HashMap<Topic, Interest>>; SHARDS],
    hasher: std::hash::RandomState,
    generations: AtomicU64,
}

#[derive(Default)]
struct Interest {
    count: usize,
    confirmed: bool,
    /// Distinguishes this entry from an earlier one of the same topic, which was removed while its subscription was
    /// awaited: that subscription's confirmation is not this one's.
    generation: u64,
}

impl Subscriptions {
    pub(crate) fn new(backplane: Option<Arc<dyn Backplane>>) -> Self {
        Self {
            backplane,
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: std::hash::RandomState::new(),
            generations: AtomicU64::new(0),
        }
    }

    fn shard_number(&self, topic: &Topic) -> usize {
        use std::hash::BuildHasher;
        self.hasher.hash_one(topic) as usize % SHARDS
    }

    fn shard(&self, topic: &Topic) -> Option<&Mutex<HashMap<Topic, Interest>>> {
        self.shards.get(self.shard_number(topic))
    }

    /// Adds an interest in each topic. Once this has returned, what other nodes publish on them arrives, but on those
    /// whose result is an error: the interest in these is not counted. One result for each topic, in their order.
    /// Dropped before it has returned, it leaves no interest behind.
    pub(crate) async fn add(&self, topics: Vec<Topic>) -> Vec<Result<(), BackplaneError>> {
        let Some(backplane) = &self.backplane else { return topics.iter().map(|_| Ok(())).collect() };
        let mut adding = Adding { subscriptions: self, topics };
        let mut results: Vec<_> = adding.topics.iter().map(|_| Ok(())).collect();
        let (unconfirmed, subscribing) = self.count(backplane, &adding.topics);
        if let Some(subscribing) = subscribing {
            for ((place, generation), subscribed) in unconfirmed.into_iter().zip(subscribing.await) {
                if let (Ok(()), Some(topic)) = (&subscribed, adding.topics.get(place)) {
                    self.confirm(topic, generation);
                }
                if let Some(result) = results.get_mut(place) {
                    *result = subscribed;
                }
            }
        }
        for (topic, result) in std::mem::take(&mut adding.topics).iter().zip(&results) {
            if result.is_err() {
                self.remove(topic);
            }
        }
        results
    }

    /// Counts an interest in each topic, and subscribes to those that are not confirmed: returns their places with
    /// their generations, and the call's future.
    fn count(
        &self,
        backplane: &Arc<dyn Backplane>,
        topics: &[Topic],
    ) -> (Vec<(usize, u64)>, Option<Subscribing>) {
        let mut numbers: Vec<_> = topics.iter().map(|topic| self.shard_number(topic)).collect();
        let of_topics = numbers.clone();
        numbers.sort_unstable();
        numbers.dedup();
        // In ascending order, so that no two calls wait for each other.
        let mut shards: Vec<_> =
            numbers.iter().filter_map(|number| Some((*number, self.shards.get(*number)?.lock()))).collect();
        let mut unconfirmed = Vec::new();
        for (place, (topic, number)) in topics.iter().zip(of_topics).enumerate() {
            let Some((_, shard)) = shards.iter_mut().find(|(of, _)| *of == number) else { continue };
            let interest = shard.entry(topic.clone()).or_insert_with(|| Interest {
                generation: self.generations.fetch_add(1, Ordering::Relaxed),
                ..Interest::default()
            });
            interest.count += 1;
            if !interest.confirmed {
                unconfirmed.push((place, interest.generation));
            }
        }
        if unconfirmed.is_empty() {
            return (unconfirmed, None);
        }
        // Called under the locks: of two calls about one topic the later one decides, and the locks make the order
        // of the calls that of the counts. Subscribing twice is harmless.
        let wanted = unconfirmed.iter().filter_map(|(place, _)| topics.get(*place).cloned()).collect();
        let subscribing = backplane.subscribe(wanted);
        (unconfirmed, Some(subscribing))
    }

    fn confirm(&self, topic: &Topic, generation: u64) {
        let Some(shard) = self.shard(topic) else { return };
        if let Some(interest) = shard.lock().get_mut(topic).filter(|i| i.generation == generation) {
            interest.confirmed = true;
        }
    }

    /// Removes an interest.
    pub(crate) fn remove(&self, topic: &Topic) {
        let (Some(backplane), Some(shard)) = (&self.backplane, self.shard(topic)) else { return };
        let mut shard = shard.lock();
        let Some(interest) = shard.get_mut(topic) else { return };
        interest.count -= 1;
        if interest.count == 0 {
            shard.remove(topic);
            // The call decides the order, so its future need not be awaited.
            drop(backplane.unsubscribe(vec![topic.clone()]));
        }
    }

    /// Adds an interest in one topic.
    pub(crate) async fn add_one(&self, topic: Topic) -> Result<(), BackplaneError> {
        self.add(vec![topic]).await.pop().unwrap_or(Ok(()))
    }
}

/// Interests that were counted and are not confirmed yet.
struct Adding<'a> {
    subscriptions: &'a Subscriptions,
    topics: Vec<Topic>,
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        self.topics.iter().for_each(|topic| self.subscriptions.remove(topic));
    }
}

#[cfg(test)]
mod tests;
