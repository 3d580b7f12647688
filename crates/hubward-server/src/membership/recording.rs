//! Records open connections later, in portions: those that were accepted while the store could not be reached, and those
//! of a node that was taken for dead and has announced itself anew. Their users' messages are subscribed to and their
//! users' groups are delivered then.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hubward_backplane::{Cause, MAX_RESTORED_AT_ONCE, MAX_USERS_AT_ONCE, Topic};
use hubward_types::brief_causes;

use super::record::put_on_record;
use super::unrecorded::{Unrecorded, UnrecordedConnection};
use super::{outage, user};
use crate::cluster::holding;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// The first pause before connections are recorded, and the longest between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a portion may take. A store that does not answer is asked again.
const PORTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a change of a connection's groups that is being carried out may hold up its portion.
const TURN_TIMEOUT: Duration = Duration::from_secs(1);

/// Records a connection later that could not be when it opened.
pub(crate) fn record_later(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    start(engine, [(connection.clone(), Unrecorded::Opened)]);
}

/// Records a connection again that was recorded in an earlier life of the node.
pub(crate) fn restore_one(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    start(engine, [(connection.clone(), Unrecorded::Held)]);
}

/// Puts back what connections have joined, where a ban may have ended it: bans of their users may have been missed.
pub(crate) fn check_bans(engine: &Arc<Engine>) {
    let mut connections = Vec::new();
    engine.index.for_all(|connection| {
        let has_joined = || connection.groups.all().iter().any(|(_, reasons)| reasons.own);
        if connection.principal.user_id().is_some() && has_joined() {
            connections.push((connection.clone(), Unrecorded::Held));
        }
    });
    if !connections.is_empty() {
        start(engine, connections);
    }
}

/// Records all connections of a hub in the node's new life.
pub(crate) fn restore(engine: &Arc<Engine>) {
    let mut connections = Vec::new();
    engine.index.for_all(|connection| connections.push((connection.clone(), Unrecorded::Held)));
    start(engine, connections);
    engine.unrecorded.wake.notify_one();
}

fn start(engine: &Arc<Engine>, connections: impl IntoIterator<Item = UnrecordedConnection>) {
    if engine.unrecorded.add(connections) {
        engine.context.spawn(record_all(Arc::downgrade(engine)));
    }
}

/// Holds the engine only while it records, so that a dropped node is freed.
async fn record_all(engine: Weak<Engine>) {
    let Some(first) = engine.upgrade() else { return };
    let (shutdown, wake) = (first.context.shutdown.clone(), first.unrecorded.wake.clone());
    drop(first);
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = wake.notified() => {}
            () = shutdown.cancelled() => return,
        }
        let Some(engine) = engine.upgrade() else { return };
        match record_portions(&engine).await {
            Portions::All => {
                holding::release(&engine);
                return log_end(engine).await;
            }
            Portions::Some => pause = FIRST_PAUSE,
            Portions::None => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Logs that an outage is over, when that is certain. Holds the engine only while it looks.
async fn log_end(engine: Arc<Engine>) {
    let shutdown = engine.context.shutdown.clone();
    let (weak, mut until) = (Arc::downgrade(&engine), outage::might_have_ended(&engine));
    drop(engine);
    while let Some(end) = until {
        tokio::select! {
            () = tokio::time::sleep_until(end) => {}
            () = shutdown.cancelled() => return,
        }
        until = weak.upgrade().and_then(|engine| outage::might_have_ended(&engine));
    }
}

/// How many portions were recorded.
enum Portions {
    All,
    Some,
    None,
}

/// Records what waits, until a portion fails.
async fn record_portions(engine: &Arc<Engine>) -> Portions {
    let mut portions = Portions::None;
    loop {
        let portion = engine.unrecorded.take(MAX_RESTORED_AT_ONCE);
        if portion.is_empty() {
            return Portions::All;
        }
        let recording = AssertUnwindSafe(record(engine, &portion)).catch_unwind();
        let recorded = match tokio::time::timeout(PORTION_TIMEOUT, recording).await {
            Ok(recorded) => recorded.unwrap_or_else(|_| Err("it panicked".into())),
            Err(_) => Err("it takes too long".into()),
        };
        match recorded {
            Ok(()) => portions = Portions::Some,
            Err(cause) => {
                engine.unrecorded.add(portion);
                tracing::debug!(hub = %engine.name(), cause = %brief_causes(&*cause), "Open connections could not be recorded yet.");
                return portions;
            }
        }
    }
}

/// Records a portion, subscribes for its users, and delivers their groups.
async fn record(engine: &Arc<Engine>, portion: &[UnrecordedConnection]) -> Result<(), Cause> {
    // Neither its groups change nor does it end meanwhile.
    let turns = portion
        .iter()
        .map(async |(connection, _)| tokio::time::timeout(TURN_TIMEOUT, connection.groups.turn()).await.ok());
    let turns = join_all(turns).await;
    let (mut open, mut busy) = (Vec::new(), Vec::new());
    for (unrecorded, turn) in portion.iter().zip(&turns) {
        match turn {
            None => busy.push(unrecorded.clone()),
            Some(_) if unrecorded.0.is_closed() => {}
            Some(_) => open.push(unrecorded.clone()),
        }
    }
    engine.unrecorded.add(busy);
    put_on_record(engine, &open).await?;
    subscribe(engine, &open).await?;
    drop(turns);
    let users: HashSet<_> =
        open.iter().filter_map(|(connection, _)| connection.principal.user_id().cloned()).collect();
    let users: Vec<_> = users.into_iter().collect();
    for users in users.chunks(MAX_USERS_AT_ONCE) {
        user::read_users_again(engine, users).await?;
    }
    Ok(())
}

/// Subscribes to what other nodes publish for the users of connections.
async fn subscribe(engine: &Engine, connections: &[UnrecordedConnection]) -> Result<(), Cause> {
    if engine.context.backplane.is_none() {
        return Ok(());
    }
    let (mut unsubscribed, mut topics) = (Vec::new(), Vec::new());
    for (connection, _) in connections.iter().filter(|(connection, _)| !connection.is_user_subscribed()) {
        if let Some(user) = connection.principal.user_id() {
            topics.push(Topic::User(engine.name().clone(), user.clone()));
            unsubscribed.push(connection);
        }
    }
    if topics.is_empty() {
        return Ok(());
    }
    let mut all = Ok(());
    for (connection, subscribed) in unsubscribed.iter().zip(engine.context.subscriptions.add(topics).await) {
        match subscribed {
            Ok(()) if connection.set_user_subscribed(true) => {
                // It was opening, and has done it itself.
                if let Some(user) = connection.principal.user_id() {
                    let topic = Topic::User(engine.name().clone(), user.clone());
                    engine.context.subscriptions.remove(&topic);
                }
            }
            Ok(()) => {}
            Err(error) => all = Err(error.into()),
        }
    }
    all
}

#[cfg(test)]
mod tests;
