//! The group store and node registry in Redis: each change is one script, so one step and one round trip.

mod announced;
mod arguments;
mod calls;
mod groups;
mod link;
mod moving;
mod node_info;
mod node_watch;
mod nodes;
mod queries;
mod query_pool;
mod reply;
mod scripts;

use std::fmt;
use std::sync::Arc;

use self::announced::Announced;
use self::calls::Calls;
use self::node_watch::NodeWatch;
use crate::shared::Shared;

/// A group store and node registry in Redis. Made by [`Redis::store`](crate::Redis::store). It connects when it is first
/// called, from a task of the Tokio runtime of that call; dropped, it disconnects.
///
/// Changes go over one connection, in the order in which they are made; queries over a small pool of others, so that no
/// long listing holds up a join. Redis's clock decides what has expired and who is dead.
pub struct RedisStore {
    redis: Arc<Shared>,
    calls: Calls,
    announced: Announced,
    events: NodeWatch,
}

impl RedisStore {
    pub(crate) fn new(redis: Arc<Shared>) -> Self {
        Self {
            calls: Calls::new(&redis),
            announced: Announced::default(),
            events: NodeWatch::new(&redis),
            redis,
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("keys", &self.redis.keys.keys()).finish_non_exhaustive()
    }
}
