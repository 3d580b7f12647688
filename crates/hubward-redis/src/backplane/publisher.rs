//! Publishes what waits: all that has come together while the batch before was under way, in one write.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::ConnectionLike as _;
use redis::{Cmd, Pipeline, Value};

use super::bus::Bus;
use super::outgoing::Publication;
use super::session::RedisSession;
use crate::connection::RedisConnection;
use crate::error::RedisFailure;

/// How long a connection may be idle before it is asked whether it still works.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// Publishes until a connection fails.
pub(super) async fn run(bus: Arc<Bus>, session: Arc<RedisSession>) -> RedisFailure {
    loop {
        if tokio::time::timeout(IDLE, bus.outgoing.filled()).await.is_err() {
            match ping_all(&session.publishing).await {
                Ok(()) => continue,
                Err(failure) => return failure,
            }
        }
        let batches = session.by_place(bus.outgoing.take(), |publication: &Publication| &publication.channel);
        let publishing = batches.into_iter().map(|(place, batch)| publish(&bus, &session, place, batch));
        if let Some(failure) = join_all(publishing).await.into_iter().find_map(Result::err) {
            return failure;
        }
    }
}

/// Publishes a batch on one server. Fails with why the session has to end. What was certainly not published is put back at
/// once: the session may end before other servers have responded.
async fn publish(
    bus: &Bus,
    session: &RedisSession,
    place: usize,
    batch: Vec<Publication>,
) -> Result<(), RedisFailure> {
    let Some(connection) = session.publishing.get(place) else {
        bus.outgoing.put_back(batch);
        return Err(RedisFailure::said("no server has the channel"));
    };
    let command = if session.is_sharded { "SPUBLISH" } else { "PUBLISH" };
    let mut pipeline = Pipeline::with_capacity(batch.len());
    for publication in &batch {
        let bytes = command.len() + publication.channel.len() + publication.message.len();
        let mut publish = Cmd::with_capacity(3, bytes);
        publish.arg(command).arg(&*publication.channel).arg(&*publication.message);
        pipeline.add_command(publish);
    }
    let mut connection = connection.clone();
    let under_way = UnderWay { bus, messages: batch.len() };
    let replies = match connection.req_packed_commands(&pipeline, 0, batch.len()).await {
        Ok(replies) => {
            under_way.end();
            replies
        }
        Err(error) => {
            let failure = RedisFailure::from(error);
            under_way.end();
            bus.losses.note_unsent(batch.len() as u64, &failure);
            batch.into_iter().for_each(|publication| publication.finish(Err(failure.clone())));
            return Err(failure);
        }
    };
    let (mut moved, mut reason) = (Vec::new(), None);
    for (publication, reply) in batch.into_iter().zip(replies) {
        let Value::ServerError(error) = reply else {
            publication.finish(Ok(()));
            continue;
        };
        let failure = RedisFailure::from(redis::RedisError::from(error));
        if failure.may_be_repeated() {
            reason = Some(failure);
            moved.push(publication);
        } else {
            bus.losses.note_unsent(1, &failure);
            publication.finish(Err(failure));
        }
    }
    bus.outgoing.put_back(moved);
    reason.map_or(Ok(()), Err)
}

/// Messages that are on their way. Dropped, because another connection of the session has ended, they count as unsent.
struct UnderWay<'a> {
    bus: &'a Bus,
    messages: usize,
}

impl UnderWay<'_> {
    fn end(mut self) {
        self.messages = 0;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let failure = RedisFailure::said("the link to Redis was interrupted");
        self.bus.losses.note_unsent(self.messages as u64, &failure);
    }
}

/// Asks connections whether they still work.
pub(super) async fn ping_all(connections: &[RedisConnection]) -> Result<(), RedisFailure> {
    let ping = |connection: &RedisConnection| {
        let mut connection = connection.clone();
        async move { connection.req_packed_command(&redis::cmd("PING")).await }
    };
    join_all(connections.iter().map(ping)).await.into_iter().try_for_each(|reply| works(reply?))
}

/// Reads the reply to the question whether a connection works.
fn works(reply: Value) -> Result<(), RedisFailure> {
    let Value::ServerError(error) = reply else { return Ok(()) };
    let failure = RedisFailure::from(redis::RedisError::from(error));
    // A server whose user may not ask has responded all the same.
    if failure.is_denied() { Ok(()) } else { Err(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_works_also_where_its_user_may_not_ask() {
        let works = |reply: &[u8]| works(redis::parse_redis_value(reply).unwrap()).is_ok();
        assert!(works(b"+PONG\r\n"));
        assert!(works(b"-NOPERM this user has no permissions to run the 'ping' command\r\n"));
        assert!(!works(b"-LOADING Redis is loading the dataset in memory\r\n"));
    }
}
