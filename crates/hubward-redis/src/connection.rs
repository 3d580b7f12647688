//! A connection to one server, of which no reply and no message makes this node allocate without bound. The library that speaks
//! Redis's protocol has no limits of its own: it reads what is [bounded] before.

mod bounded;
mod commands;
mod first_error;
mod header;
mod limits;
mod refused;
mod replies;
pub(crate) mod socket;

use std::sync::{Arc, OnceLock};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, PushInfo, PushKind, RedisConnectionInfo, RedisFuture, Value,
};
use tokio::task::JoinSet;

use self::bounded::BoundedStream;
use self::limits::ReplyLimits;
use self::refused::ReplyRefused;
use self::replies::ReplyScanner;
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
    /// Begins to speak Redis's protocol over a socket. `take` is called by the connection's own task with what comes
    /// unasked, messages of at most so many bytes included; what is larger comes as an empty message.
    pub(crate) async fn open(
        socket: Box<dyn RedisSocket>,
        settings: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
        max_message_bytes: Option<usize>,
        take: impl Fn(RedisPush) + Send + Sync + 'static,
    ) -> Result<Self, RedisFailure> {
        let limits = ReplyLimits::new(max_message_bytes);
        let stream = BoundedStream::new(socket, ReplyScanner::new(limits));
        let (refused, at_end, first_error) = (stream.refused(), stream.refused(), stream.first_error());
        let config = config.set_push_sender(move |push: PushInfo| {
            take(match push.kind {
                PushKind::Disconnection => RedisPush::Ended(end(&at_end)),
                _ => RedisPush::Sent(push),
            });
            Ok::<(), ()>(())
        });
        let opened = MultiplexedConnection::new_with_config(settings, stream, config).await;
        let (multiplexed, driver) = opened.map_err(|error| match (refused.get(), first_error.get()) {
            // It may say so before it was asked anything.
            (None | Some(ReplyRefused::Unasked), Some(reply)) if error.code().is_none() => {
                RedisFailure::not_let_in(reply)
            }
            (Some(refused), _) => RedisFailure::said(refused.to_string()),
            (None, _) => error.into(),
        })?;
        let mut task = JoinSet::new();
        task.spawn(driver);
        Ok(Self { multiplexed, _task: Arc::new(task) })
    }

    /// The connection, for a library that has no other name for it.
    pub(crate) fn multiplexed(&mut self) -> &mut MultiplexedConnection {
        &mut self.multiplexed
    }
}

/// Why a connection has ended.
fn end(refused: &OnceLock<ReplyRefused>) -> RedisFailure {
    match refused.get() {
        Some(refused) => RedisFailure::said(refused.to_string()),
        None => RedisFailure::said("the connection to Redis has ended"),
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
