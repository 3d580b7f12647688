//! Calls of scripts, with what is done when Redis does not have them, has moved them or has gone.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, Value};
use tokio::task::JoinSet;

use super::link::{RedisLink, Up};
use super::query_pool;
use super::reply::ScriptReply;
use super::scripts::{Script, Scripts};
use crate::error::RedisFailure;
use crate::shared::Shared;

/// How long a call is repeated while Redis says that it will soon be carried out here or elsewhere: as long as a failover
/// takes, and less than the server waits.
const REPEATED_FOR: Duration = Duration::from_secs(3);
/// How long a call waits before it is repeated on the same connection.
const BEFORE_REPEATING: Duration = Duration::from_millis(100);

pub(super) struct Calls {
    link: Arc<RedisLink>,
    keys: String,
    /// Keeps the link up. It is started by the first call, and anew where its runtime has ended.
    maintenance: Mutex<JoinSet<()>>,
}

/// Over which connection a call goes.
#[derive(Clone, Copy)]
enum Way {
    InOrder,
    Pooled,
}

impl Calls {
    pub(super) fn new(redis: &Arc<Shared>) -> Self {
        let keys = redis.keys.keys().to_owned();
        Self { link: Arc::new(RedisLink::new(redis)), keys, maintenance: Mutex::default() }
    }

    /// Calls a script that changes something, after all such calls before.
    pub(super) async fn change(
        &self,
        script: impl Fn(&Scripts) -> &Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<ScriptReply, RedisFailure> {
        self.call(Way::InOrder, script(&self.link.scripts), arguments).await
    }

    /// Calls a script that only reads.
    pub(super) async fn query(
        &self,
        script: impl Fn(&Scripts) -> &Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<ScriptReply, RedisFailure> {
        self.call(Way::Pooled, script(&self.link.scripts), arguments).await
    }

    /// Returns which start of which server changes go to now.
    pub(super) async fn server(&self) -> Result<Arc<str>, RedisFailure> {
        self.start();
        Ok(self.link.up().await?.server)
    }

    async fn call(
        &self,
        way: Way,
        script: &Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<ScriptReply, RedisFailure> {
        self.start();
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.hash()).arg(1).arg(&self.keys);
        arguments(&mut command);
        let until = tokio::time::Instant::now() + REPEATED_FOR;
        loop {
            let mut up = self.link.up().await?;
            let failure = match send(way, &mut up, &command).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if failure.lacks_script() {
                // Somebody has flushed them.
                return send_with_script(&mut up, script, &command).await;
            } else if failure.may_be_repeated() && !left.is_zero() {
                self.link.report_broken(&up, &failure);
                self.link.replaced(&up, left).await;
                tokio::time::sleep(left.min(BEFORE_REPEATING)).await;
            } else {
                if !failure.is_response() && matches!(way, Way::InOrder) {
                    self.link.report_broken(&up, &failure);
                }
                return Err(failure);
            }
        }
    }

    fn start(&self) {
        let mut maintenance = self.maintenance.lock();
        while maintenance.try_join_next().is_some() {}
        if maintenance.is_empty() {
            self.link.reset();
            maintenance.spawn(Arc::clone(&self.link).maintain());
        }
    }
}

/// Sends a call behind its script, in one write, so that Redis hardly carries out anything of others in between.
async fn send_with_script(up: &mut Up, script: &Script, command: &Cmd) -> Result<ScriptReply, RedisFailure> {
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.add_command(script.load()).add_command(command.clone());
    let replies = up.connection.req_packed_commands(&pipeline, 0, 2).await?;
    read(replies.into_iter().next_back().unwrap_or(Value::Nil))
}

async fn send(way: Way, up: &mut Up, command: &Cmd) -> Result<ScriptReply, RedisFailure> {
    let value = match way {
        Way::InOrder => up.connection.req_packed_command(command).await?,
        Way::Pooled => query_pool::query(&up.pool, command).await?,
    };
    read(value)
}

fn read(value: Value) -> Result<ScriptReply, RedisFailure> {
    match value {
        Value::ServerError(error) => Err(redis::RedisError::from(error).into()),
        value => ScriptReply::read(value),
    }
}
