//! The nodes that are measured, and which way a client reaches its connection.

use hubward_testing::redis::{RedisOptions, RedisServer};

use crate::processes::Measured;

/// Two nodes of one cluster.
pub(crate) struct Nodes {
    _redis: RedisServer,
    /// Holds all connections.
    pub(crate) owner: Measured,
    pub(crate) other: Measured,
}

impl Nodes {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start(RedisOptions::default()).await;
        let url = redis.url();
        let owner = Measured::node(&["--redis", &url]).await;
        let other = Measured::node(&["--redis", &url]).await;
        Self { _redis: redis, owner, other }
    }

    /// By which node a client reaches its connection: first the one that holds it.
    pub(crate) fn ways(&self) -> [&Measured; 2] {
        [&self.owner, &self.other]
    }
}
