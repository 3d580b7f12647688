//! Carries out the changes of one connection's groups, one after the other: recorded in the store and subscribed to side
//! by side, delivered for when both have succeeded. What the store refuses because it has ended this life of the node is
//! tried again in the next one.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures_util::FutureExt;
use hubward_backplane::{Member, Owner, StoreError, Topic};
use hubward_hub::{GroupError, HubConnection};
use hubward_types::{GroupName, brief_causes};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::delivered::{deliver_for, stop_for, user_joined};
use super::record::{is_recorded, put_on_record};
use super::retries::retry;
use super::unrecorded::Unrecorded;
use super::{backplane_failed, not_joined, store_failed};
use crate::bounded::CALL_TIMEOUT;
use crate::connection::groups::{GroupChange, Queued, Reasons, WaitingChange};
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Changes a connection's groups when its earlier changes are done, and waits until this one is. A caller that stops
/// waiting does not stop the change.
pub(crate) async fn change(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    change: GroupChange,
) -> Result<(), GroupError> {
    let (done, result) = oneshot::channel();
    let asked_at = Instant::now();
    let deadline = asked_at.checked_add(engine.definition.options.confirmation_timeout);
    match connection.groups.push(WaitingChange { change, asked_at, deadline, done }) {
        Queued::First(first) => start(engine, connection, first),
        Queued::Waiting => {}
        Queued::Ended => return Ok(()),
        Queued::Full => return Err(GroupError::TooManyChanges),
    }
    // It is dropped only where a task of the node was, at the end of the process.
    result.await.unwrap_or(Ok(()))
}

/// Lets the changes of a connection begin that waited until it was recorded.
pub(crate) fn release(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    if let Some(first) = connection.groups.release() {
        start(engine, connection, first);
    }
}

/// Carries out changes until none waits: here as far as nothing has to be awaited, and then in a task.
fn start(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>, first: WaitingChange) {
    let mut running = Box::pin(run(engine.clone(), connection.clone(), first));
    if Future::poll(running.as_mut(), &mut Context::from_waker(Waker::noop())).is_pending() {
        engine.context.spawn(running);
    }
}

async fn run(engine: Arc<Engine>, connection: Arc<ConnectionHandle>, first: WaitingChange) {
    let mut next = Some(first);
    // When a change last waited in vain.
    let mut unanswered: Option<Instant> = None;
    while let Some(WaitingChange { change, asked_at, deadline, done }) = next {
        let begun = Instant::now();
        let gives_up = change.is_asked_for() && unanswered.is_some_and(|failed_at| asked_at <= failed_at);
        let changing = async {
            match gives_up {
                true => give_up(&engine, &connection, &change).await,
                false => carry_out_in_any_life(&engine, &connection, &change, deadline).await,
            }
        };
        let changed = AssertUnwindSafe(changing).catch_unwind().await;
        // Nothing here runs code of a hub; should it panic all the same, the changes behind it go on.
        let changed = changed.unwrap_or(Err(GroupError::Owner { reason: PANICKED.to_owned() }));
        if changed.is_err() && begun.elapsed() >= CALL_TIMEOUT {
            unanswered = Some(Instant::now());
        }
        let _ = done.send(changed);
        next = connection.groups.next();
    }
}

/// Gives up a change that waited behind one that waited in vain. Otherwise each of many joins would hold up for as long
/// what is behind them, such as the removal of the user. A leave takes effect here, and is recorded later.
async fn give_up(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    change: &GroupChange,
) -> Result<(), GroupError> {
    let error = GroupError::Store { reason: UNANSWERED.to_owned() };
    if let GroupChange::Leave(group) = change {
        let _turn = connection.groups.turn().await;
        let reasons = connection.groups.reasons(group);
        stop_for(engine, connection, group, Reasons { own: false, ..reasons });
        retry(engine, &connection.id, &brief_causes(&error));
    }
    Err(error)
}

const UNANSWERED: &str = "an earlier change of the connection's groups had no answer";

const PANICKED: &str = "the change of membership panicked";

/// Why a change was not carried out.
enum NotChanged {
    /// What the store has of this node, or of the connection, is out of date.
    Outdated(StoreError),
    Failed(GroupError),
}

impl From<StoreError> for NotChanged {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced | StoreError::NotOwner => Self::Outdated(error),
            error => Self::Failed(store_failed(error)),
        }
    }
}

impl From<GroupError> for NotChanged {
    fn from(error: GroupError) -> Self {
        Self::Failed(error)
    }
}

/// Carries out a change. One that is refused because the store has ended this life of the node, or has not recorded the
/// connection in it yet, is carried out when that has been made up for, if it is in time.
async fn carry_out_in_any_life(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    change: &GroupChange,
    deadline: Option<Instant>,
) -> Result<(), GroupError> {
    let mut unrecorded = false;
    loop {
        let life = engine.context.owner();
        // Not held while the next life is awaited: the connection is put back meanwhile.
        let turn = connection.groups.turn().await;
        let changed = match unrecorded {
            true => put_back(engine, connection).await,
            false => Ok(()),
        };
        let changed = match changed {
            Ok(()) => carry_out(engine, connection, change).await,
            failed => failed,
        };
        drop(turn);
        let error = match changed {
            Ok(()) => return Ok(()),
            Err(NotChanged::Failed(error)) => return Err(error),
            Err(NotChanged::Outdated(error)) => error,
        };
        let again = match error {
            StoreError::Fenced => begins_anew(engine, connection, &life, deadline).await,
            // It was put back, and is another node's all the same.
            _ => !unrecorded,
        };
        if !again {
            return Err(store_failed(error));
        }
        unrecorded = true;
    }
}

/// Waits until the node has begun another life; false where it does not in time, or the connection closes.
async fn begins_anew(
    engine: &Engine,
    connection: &ConnectionHandle,
    life: &Owner,
    deadline: Option<Instant>,
) -> bool {
    let next = engine.context.another_life(life);
    let in_time = async {
        match deadline {
            Some(deadline) => timeout_at(deadline, next).await.is_ok(),
            None => {
                next.await;
                true
            }
        }
    };
    let closed = connection.connection_closed();
    tokio::select! {
        in_time = in_time => in_time,
        () = closed.cancelled() => false,
    }
}

/// Records the connection in the node's present life. It may not have been in any: then its id is claimed, too.
async fn put_back(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) -> Result<(), NotChanged> {
    Ok(put_on_record(engine, &[(connection.clone(), Unrecorded::Opened)]).await?)
}

async fn carry_out(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    change: &GroupChange,
) -> Result<(), NotChanged> {
    let is_over = connection.is_closed() || connection.is_elsewhere();
    if is_over && !matches!(change, GroupChange::End | GroupChange::Moved) {
        return Ok(());
    }
    match change {
        GroupChange::Join(group) => join(engine, connection, group).await,
        GroupChange::Leave(group) => leave(engine, connection, group).await,
        GroupChange::UserJoined(groups) => Ok(user_joined(engine, connection, groups).await?),
        GroupChange::UserLeft(group) => {
            let reasons = Reasons { user: false, ..connection.groups.reasons(group) };
            stop_for(engine, connection, group, reasons);
            Ok(())
        }
        GroupChange::UserGroups(groups) => {
            let of_user = connection.groups.all().into_iter().filter(|(_, reasons)| reasons.user);
            for (group, reasons) in of_user.filter(|(group, _)| !groups.contains(group)) {
                stop_for(engine, connection, &group, Reasons { user: false, ..reasons });
            }
            Ok(user_joined(engine, connection, groups).await?)
        }
        GroupChange::Banned(group) => Ok(banned(engine, connection, group).await?),
        GroupChange::Expelled(group) => {
            expelled(engine, connection, group, "the group store failed to ban the user");
            Ok(())
        }
        GroupChange::End => {
            end(engine, connection).await;
            Ok(())
        }
        GroupChange::Moved => {
            stop_all(engine, connection);
            Ok(())
        }
    }
}

async fn join(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
) -> Result<(), NotChanged> {
    let (context, reasons) = (&engine.context, connection.groups.reasons(group));
    if reasons.own {
        return Ok(());
    }
    let limit = engine.definition.options.groups_per_connection;
    if reasons.is_none() && connection.groups.len() >= limit {
        return Err(GroupError::TooManyGroups { limit }.into());
    }
    let owner = context.owner();
    let topic = Topic::Group(engine.name().clone(), group.clone());
    let subscribe = async {
        match reasons.is_none() {
            true => context.subscriptions.add(vec![topic.clone()]).await.pop().unwrap_or(Ok(())),
            false => Ok(()),
        }
    };
    let record = context.store.add_connection(engine.name(), group, &connection.id, &owner);
    let (recorded, subscribed) = tokio::join!(record, subscribe);
    if recorded.is_ok() && subscribed.is_ok() {
        deliver_for(engine, connection, group, Reasons { own: true, ..reasons });
        return Ok(());
    }
    if subscribed.is_ok() && reasons.is_none() {
        context.subscriptions.remove(&topic);
    }
    if let Err(error @ StoreError::Banned) = recorded {
        return Err(not_joined(error, group).into());
    }
    // What was recorded, or may have been where the reply was lost, is removed again.
    if !matches!(recorded, Err(StoreError::Fenced | StoreError::NotOwner)) {
        remove_record(engine, connection, group).await;
    }
    recorded?;
    Ok(subscribed.map_err(backplane_failed)?)
}

async fn leave(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
) -> Result<(), NotChanged> {
    let reasons = connection.groups.reasons(group);
    // What an earlier change could not remove from the store may be what this one is about.
    if !reasons.own && !engine.removals.contains(&connection.id) {
        return Ok(());
    }
    stop_for(engine, connection, group, Reasons { own: false, ..reasons });
    let (store, owner) = (&engine.context.store, engine.context.owner());
    let removed = store.remove_connection(engine.name(), group, &connection.id, &owner).await;
    if let Err(error) = &removed {
        retry(engine, &connection.id, &brief_causes(error));
    }
    Ok(removed?)
}

/// Ends the connection's own membership if a ban of its user has. Where that cannot be read, it ends as well.
async fn banned(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
) -> Result<(), GroupError> {
    let reasons = connection.groups.reasons(group);
    if !reasons.own {
        return Ok(());
    }
    let member = Member::Connection(connection.id.clone());
    match engine.context.store.contains(engine.name(), group, &member).await {
        // The ban has been ended since, and the connection has joined again.
        Ok(true) => Ok(()),
        Ok(false) => {
            stop_for(engine, connection, group, Reasons { own: false, ..reasons });
            Ok(())
        }
        Err(error) => {
            expelled(engine, connection, group, brief_causes(&error));
            Err(store_failed(error))
        }
    }
}

/// Ends the connection's own membership here, and in the store later.
fn expelled(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    group: &GroupName,
    error: impl Display,
) {
    let reasons = connection.groups.reasons(group);
    if reasons.own {
        stop_for(engine, connection, group, Reasons { own: false, ..reasons });
        retry(engine, &connection.id, &error);
    }
}

/// Removes a record, now or later.
async fn remove_record(engine: &Arc<Engine>, connection: &ConnectionHandle, group: &GroupName) {
    let (context, owner) = (&engine.context, engine.context.owner());
    let removed = context.store.remove_connection(engine.name(), group, &connection.id, &owner).await;
    if let Err(error) = removed {
        retry(engine, &connection.id, &brief_causes(&error));
    }
}

/// Ends delivery to a connection. Returns whether it was in a group by itself.
fn stop_all(engine: &Engine, connection: &ConnectionHandle) -> bool {
    let mut joined = false;
    for (group, reasons) in connection.groups.all() {
        joined |= reasons.own;
        stop_for(engine, connection, &group, Reasons::default());
    }
    joined
}

/// Ends delivery to a connection that has closed, from this node and from others, and removes its record.
async fn end(engine: &Arc<Engine>, connection: &ConnectionHandle) {
    let (hub, context) = (engine.name(), &engine.context);
    let joined = stop_all(engine, connection);
    let recorded = joined || is_recorded(engine, connection.principal.user_id());
    if !recorded {
        return;
    }
    let ended = context.store.end_connection(hub, &connection.id, &context.owner()).await;
    if let Err(error) = ended {
        retry(engine, &connection.id, &brief_causes(&error));
    }
}

#[cfg(test)]
mod tests;
