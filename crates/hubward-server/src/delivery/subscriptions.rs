//! Topics that this node listens to, counted: the first local interest subscribes, the last one unsubscribes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubward_backplane::{Backplane, BackplaneError, Topic};
use parking_lot::Mutex;

/// Shards of the counts, so that joins of unlike groups do not wait for each other.
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
    /// Tells an interest from an earlier one in the same topic, whose confirmation says nothing about this one.
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

    /// Adds an interest; returns when what others publish arrives. On an error the interest is not counted.
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
            // Called under the lock: of two calls about one topic the backplane heeds the later, and here "later"
            // is what the counts say. Subscribing twice is harmless.
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

    /// Takes an interest away.
    pub(crate) fn remove(&self, topic: &Topic) {
        let (Some(backplane), Some(shard)) = (&self.backplane, self.shard(topic)) else { return };
        let mut shard = shard.lock();
        let Some(interest) = shard.get_mut(topic) else { return };
        interest.count -= 1;
        if interest.count == 0 {
            shard.remove(topic);
            // The call alone takes its place in the order; nobody needs to wait for its end.
            drop(backplane.unsubscribe(topic.clone()));
        }
    }
}
