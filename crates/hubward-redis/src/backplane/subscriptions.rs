//! Makes Redis's subscriptions those that are wanted.

use std::sync::Arc;

use futures_util::future::join_all;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, PushKind, Value};

use super::bus::Bus;
use super::publisher::{IDLE, ping_all};
use super::session::RedisSession;
use super::topics::{Channel, SubscriptionChange};
use crate::error::RedisFailure;

/// What is changed at once, at most.
const BATCH: usize = 1_000;

type Settled = (Channel, SubscriptionChange, Result<(), RedisFailure>);

/// Follows what is wanted until a connection fails.
pub(super) async fn run(bus: Arc<Bus>, session: Arc<RedisSession>) -> RedisFailure {
    loop {
        if tokio::time::timeout(IDLE, bus.topics.changed()).await.is_err() {
            match ping_all(&session.subscribing).await {
                Ok(()) => continue,
                Err(failure) => return failure,
            }
        }
        match change_some(&bus, &session).await {
            Ok(settled) => {
                for (channel, change, result) in settled {
                    bus.topics.finish(&channel, change, result);
                }
            }
            Err(failure) => return failure,
        }
    }
}

/// Subscribes anew to everything that was subscribed to before. Fails if any of it does.
pub(super) async fn restore(bus: &Arc<Bus>, session: &RedisSession) -> Result<(), RedisFailure> {
    loop {
        let settled = change_some(bus, session).await?;
        if settled.is_empty() {
            return Ok(());
        }
        let mut failed = Ok(());
        for (channel, change, result) in settled {
            match result {
                Err(failure) if change == SubscriptionChange::Subscribe => failed = Err(failure),
                result => bus.topics.finish(&channel, change, result),
            }
        }
        failed?;
    }
}

/// Makes some of the changes that are due; none where there are none.
async fn change_some(bus: &Arc<Bus>, session: &RedisSession) -> Result<Vec<Settled>, RedisFailure> {
    let changes = bus.topics.take_changes(BATCH);
    let changing = session.by_place(changes, |(channel, _)| channel);
    let changing = changing.into_iter().map(|(place, changes)| change(session, place, changes));
    let mut settled = Vec::new();
    for changed in join_all(changing).await {
        settled.extend(changed?);
    }
    // A subscription that Redis has ended unasked could have been taken for a reply.
    match session.end.reason() {
        Some(reason) => Err(reason),
        None => Ok(settled),
    }
}

async fn change(
    session: &RedisSession,
    place: usize,
    changes: Vec<(Channel, SubscriptionChange)>,
) -> Result<Vec<Settled>, RedisFailure> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let connection = session.subscribing.get(place);
    let mut connection = connection.ok_or_else(|| RedisFailure::said("no server has the channel"))?.clone();
    let mut pipeline = Pipeline::with_capacity(changes.len());
    // One command for each channel, so that the refusal of one concerns no other.
    for (channel, change) in &changes {
        let mut command = Cmd::with_capacity(2, channel.len() + 16);
        command.arg(name(*change, session.is_sharded)).arg(&**channel);
        pipeline.add_command(command);
    }
    let replies = connection.req_packed_commands(&pipeline, 0, changes.len()).await?;
    let settle = |((channel, change), reply): ((Channel, SubscriptionChange), Value)| {
        let result = read(&channel, change, reply)?;
        Ok((channel, change, result))
    };
    changes.into_iter().zip(replies).map(settle).collect()
}

fn name(change: SubscriptionChange, is_sharded: bool) -> &'static str {
    match (change, is_sharded) {
        (SubscriptionChange::Subscribe, false) => "SUBSCRIBE",
        (SubscriptionChange::Unsubscribe, false) => "UNSUBSCRIBE",
        (SubscriptionChange::Subscribe, true) => "SSUBSCRIBE",
        (SubscriptionChange::Unsubscribe, true) => "SUNSUBSCRIBE",
    }
}

/// Reads the reply to a change: a confirmation, or a refusal. Anything else ends the session, also where a server has
/// not got the channel any more.
fn read(
    channel: &Channel,
    change: SubscriptionChange,
    reply: Value,
) -> Result<Result<(), RedisFailure>, RedisFailure> {
    let is_confirmed = match reply {
        Value::ServerError(error) => {
            let failure = RedisFailure::from(redis::RedisError::from(error));
            return if failure.may_be_repeated() { Err(failure) } else { Ok(Err(failure)) };
        }
        Value::Push { kind, data } => {
            let is_kind = match change {
                SubscriptionChange::Subscribe => matches!(kind, PushKind::Subscribe | PushKind::SSubscribe),
                SubscriptionChange::Unsubscribe => {
                    matches!(kind, PushKind::Unsubscribe | PushKind::SUnsubscribe)
                }
            };
            is_kind && matches!(data.first(), Some(Value::BulkString(name)) if **name == **channel)
        }
        _ => false,
    };
    if is_confirmed {
        Ok(Ok(()))
    } else {
        Err(RedisFailure::said("Redis has confirmed another subscription than it was asked for"))
    }
}
