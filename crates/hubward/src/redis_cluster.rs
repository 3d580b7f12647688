//! Nodes in processes of their own, joined by Redis.

use std::sync::Arc;

use hubward_auth::KeyRing;
use hubward_redis::Redis;
use hubward_types::NodeId;

use crate::builder::Builder;

impl Builder {
    /// Makes the node part of the cluster of all nodes with the same servers and the same prefix, under a
    /// [name](Builder::node): Redis carries their messages and keeps their groups. Connection tokens are sealed with
    /// `keys`, which all nodes need to have. Join it with [`Hubward::start`](crate::Hubward::start).
    ///
    /// ```
    /// use hubward::auth::{KeyRing, SealingKey};
    /// use hubward::redis::Redis;
    /// use hubward::{Hub, Hubward};
    ///
    /// # fn example(secret: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
    /// let redis = Redis::url("redis://127.0.0.1:6379")?.build()?;
    /// let keys = KeyRing::new(vec![SealingKey::from_bytes(secret)?])?;
    /// let node = Hubward::builder().hub("/chat", Hub::new("chat")).redis(&redis, "node-1", keys).build()?;
    /// # let _ = node; Ok(()) }
    /// ```
    pub fn redis(self, redis: &Redis, name: impl Into<NodeId>, keys: KeyRing) -> Self {
        let store = Arc::new(redis.store());
        self.node(name)
            .backplane(Arc::new(redis.backplane()))
            .group_store(Arc::clone(&store) as Arc<_>)
            .node_registry(store)
            .connection_token_keys(keys)
    }
}
