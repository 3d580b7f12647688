//! The pool of connections for queries. It is deadpool-redis's, but for how a connection is opened, which is bounded here, and
//! that one which has just worked is not asked whether it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::managed::{self, RecycleError, RecycleResult};
use deadpool_redis::{Metrics, Runtime, Timeouts};
use redis::aio::ConnectionLike as _;
use redis::{Cmd, RedisError, Value};
use tokio::time::Instant;

use crate::address::Address;
use crate::connection::{RedisConnection, RedisPush};
use crate::error::RedisFailure;
use crate::shared::Shared;

/// How many connections there are for queries, at most.
const POOL_SIZE: usize = 4;
/// How long a query waits for one of them.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// How long after its last reply a connection is asked whether it still works, before it is used again.
const IDLE: Duration = Duration::from_secs(5);

pub(super) type QueryPool = managed::Pool<QueryConnections>;

/// Opens connections for queries, and sees to it that one which is used again still works.
pub(super) struct QueryConnections {
    redis: Arc<Shared>,
    server: Address,
    /// Asks a connection whether it still works. It opens none.
    asking: deadpool_redis::Manager,
}

/// A connection for queries.
pub(super) struct QueryConnection {
    connection: RedisConnection,
    has_ended: Arc<AtomicBool>,
    /// When the last reply came; `None` while one is to come, and where it never did.
    replied_at: Option<Instant>,
}

/// Makes a pool that connects to a server when it is first asked for a connection.
pub(super) fn new(redis: &Arc<Shared>, server: &Address) -> Result<QueryPool, RedisFailure> {
    let connector = &redis.topology.connector;
    let timeouts = Timeouts {
        wait: Some(POOL_WAIT),
        create: Some(connector.connect_timeout),
        recycle: Some(connector.response_timeout),
    };
    let asking = deadpool_redis::Manager::new((&*server.host, server.port))?;
    let connections = QueryConnections { redis: Arc::clone(redis), server: server.clone(), asking };
    QueryPool::builder(connections)
        .max_size(POOL_SIZE)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| RedisFailure::said(error.to_string()))
}

/// Sends a command that only reads, over one of the connections.
pub(super) async fn query(pool: &QueryPool, command: &Cmd) -> Result<Value, RedisFailure> {
    match get(pool).await?.query(command).await {
        // It had ended since it was last used, which was not noticed before. What only reads can be sent again.
        Err(error) if error.is_connection_dropped() => Ok(get(pool).await?.query(command).await?),
        result => Ok(result?),
    }
}

async fn get(pool: &QueryPool) -> Result<managed::Object<QueryConnections>, RedisFailure> {
    Ok(pool.get().await?)
}

impl QueryConnection {
    async fn query(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        // Where this is cancelled as well: the reply comes all the same, before the next one.
        self.replied_at = None;
        let reply = self.connection.req_packed_command(command).await?;
        self.replied_at = Some(Instant::now());
        Ok(reply)
    }
}

impl managed::Manager for QueryConnections {
    type Type = QueryConnection;
    type Error = RedisFailure;

    async fn create(&self) -> Result<QueryConnection, RedisFailure> {
        let has_ended = Arc::new(AtomicBool::new(false));
        let at_end = Arc::clone(&has_ended);
        let take = move |push| {
            if let RedisPush::Ended(_) = push {
                at_end.store(true, Ordering::Relaxed);
            }
        };
        let connection = self.redis.topology.connector.connect(&self.server, take).await?;
        Ok(QueryConnection { connection, has_ended, replied_at: Some(Instant::now()) })
    }

    async fn recycle(
        &self,
        connection: &mut QueryConnection,
        metrics: &Metrics,
    ) -> RecycleResult<RedisFailure> {
        if connection.has_ended.load(Ordering::Relaxed) {
            return Err(RecycleError::message("it has ended"));
        }
        if connection.replied_at.is_some_and(|at| at.elapsed() < IDLE) {
            return Ok(());
        }
        let asked = self.asking.recycle(connection.connection.multiplexed(), metrics).await;
        asked.map_err(|error| match error {
            RecycleError::Message(message) => RecycleError::Message(message),
            RecycleError::Backend(error) => RecycleError::Backend(error.into()),
        })
    }
}
