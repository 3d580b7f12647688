//! Publishes what waits: all that has come together while the batch before was under way, in one write.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::ConnectionLike as _;
use redis::{Cmd, Pipeline, Value};

use super::bus::Bus;
use super::outgoing::Publication;
use super::session::RedisSession;
use super::subscriber_backlog::SubscriberBacklog;
use crate::connection::RedisConnection;
use crate::error::RedisFailure;

/// How long a connection may be idle before it is asked whether it still works.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// Publishes until a connection fails.
pub(super) async fn run(bus: Arc<Bus>, session: Arc<RedisSession>) -> RedisFailure {
    let mut backlogs = vec![SubscriberBacklog::new(); session.publishing.len()];
    loop {
        if tokio::time::timeout(IDLE, bus.outgoing.filled()).await.is_err() {
            match ping_all(&session.publishing).await {
                Ok(()) => continue,
                Err(failure) => return failure,
            }
        }
        // What is to be published next goes on waiting where it is handed back if the session ends meanwhile.
        if let Err(failure) = settle(&session.publishing, &mut backlogs).await {
            return failure;
        }
        let batches = session.by_place(bus.outgoing.take(), |publication: &Publication| &publication.channel);
        for (place, batch) in &batches {
            let Some(backlog) = backlogs.get_mut(*place) else { continue };
            batch.iter().for_each(|publication| backlog.add(publication.message.len()));
        }
        let publishing = batches.into_iter().map(|(place, batch)| publish(&bus, &session, place, batch));
        if let Some(failure) = join_all(publishing).await.into_iter().find_map(Result::err) {
            return failure;
        }
    }
}

/// Lets servers have turns until little waits for their subscribers.
async fn settle(
    connections: &[RedisConnection],
    backlogs: &mut [SubscriberBacklog],
) -> Result<(), RedisFailure> {
    let settling = connections.iter().zip(backlogs).map(async |(connection, backlog)| {
        while backlog.is_high() {
            ping(connection).await?;
            backlog.note_turn();
        }
        Ok(())
    });
    join_all(settling).await.into_iter().collect()
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
    join_all(connections.iter().map(ping)).await.into_iter().collect()
}

async fn ping(connection: &RedisConnection) -> Result<(), RedisFailure> {
    works(connection.clone().req_packed_command(&redis::cmd("PING")).await?)
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
