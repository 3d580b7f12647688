//! Topics that this node subscribes to, with a count of the local interests in each: the first interest subscribes, the
//! end of the last one unsubscribes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubward_backplane::{Backplane, BackplaneError, Topic};
use parking_lot::Mutex;

/// Shards of the counts, so that joins of different groups do not wait for each other.
const SHARDS: usize = 16;

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

    fn shard(&self, topic: &Topic) -> Option<&Mutex<HashMap<Topic, Interest>>> {
        use std::hash::BuildHasher;
        self.shards.get(self.hasher.hash_one(topic) as usize % SHARDS)
    }

    /// Adds an interest. Once this has returned, what other nodes publish on the topic arrives; on an error the
    /// interest is not counted.
    pub(crate) async fn add(&self, topic: Topic) -> Result<(), BackplaneError> {
        let (Some(backplane), Some(shard)) = (&self.backplane, self.shard(&topic)) else { return Ok(()) };
        let (subscribing, generation) = {
            let mut shard = shard.lock();
            let interest = shard.entry(topic.clone()).or_insert_with(|| Interest {
                generation: self.generations.fetch_add(1, Ordering::Relaxed),
                ..Interest::default()
            });
            interest.count += 1;
            if interest.confirmed {
                return Ok(());
            }
            // Called under the lock: of two calls about one topic the later one decides, and the lock makes the order
            // of the calls that of the counts. Subscribing twice is harmless.
            (backplane.subscribe(topic.clone()), interest.generation)
        };
        let subscribed = subscribing.await;
        match &subscribed {
            Ok(()) => {
                let mut shard = shard.lock();
                if let Some(interest) = shard.get_mut(&topic).filter(|i| i.generation == generation) {
                    interest.confirmed = true;
                }
            }
            Err(_) => self.remove(&topic),
        }
        subscribed
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
            drop(backplane.unsubscribe(topic.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
