//! A connection to one server: the library's, over a socket of our own.

pub(crate) mod socket;

use std::sync::Arc;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, PushInfo, PushKind, RedisConnectionInfo, RedisFuture, Value,
};
use tokio::task::JoinSet;

use self::socket::RedisSocket;
use crate::error::RedisFailure;

/// A connection. Cheap to clone; it ends with the last of its clones.
#[derive(Clone)]
pub(crate) struct RedisConnection {
    multiplexed: MultiplexedConnection,
    /// The task that reads and writes.
    _task: Arc<JoinSet<()>>,
}

/// What comes over a connection without having been asked for.
pub(crate) enum RedisPush {
    /// Redis has sent it: a message, or what became of a subscription.
    Sent(PushInfo),
    /// Nothing comes any more.
    Ended(RedisFailure),
}

impl RedisConnection {
    /// Begins to speak Redis's protocol over a socket. `take` is called by the connection's own task with what comes unasked.
    pub(crate) async fn open(
        socket: Box<dyn RedisSocket>,
        settings: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
        take: impl Fn(RedisPush) + Send + Sync + 'static,
    ) -> Result<Self, RedisFailure> {
        let config = config.set_push_sender(move |push: PushInfo| {
            take(match push.kind {
                PushKind::Disconnection => {
                    RedisPush::Ended(RedisFailure::said("the connection to Redis has ended"))
                }
                _ => RedisPush::Sent(push),
            });
            Ok::<(), ()>(())
        });
        let (multiplexed, driver) = MultiplexedConnection::new_with_config(settings, socket, config).await?;
        let mut task = JoinSet::new();
        task.spawn(driver);
        Ok(Self { multiplexed, _task: Arc::new(task) })
    }

    /// The connection, for a library that has no other name for it.
    pub(crate) fn multiplexed(&mut self) -> &mut MultiplexedConnection {
        &mut self.multiplexed
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.multiplexed.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.multiplexed.req_packed_commands(cmd, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.multiplexed.get_db()
    }
}
