//! Removes from the group store what never opened, and tries again to remove what could not be: until it is removed, or
//! the node's life has ended and the other nodes sweep it.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use hubward_backplane::{Cause, StoreError};
use hubward_types::{ConnectionId, brief_causes, brief_display};
use tokio::runtime::Handle;

use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// The first pause before removals are tried again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Removes what the store may have of a connection that never opened: at once, since clients can make such connections
/// faster than one after the other is removed; later, where that fails.
pub(crate) fn give_up(engine: &Arc<Engine>, connection: &ConnectionId) {
    // Without a runtime, nothing of the node goes on: a connection may be dropped after it.
    let Ok(runtime) = Handle::try_current() else { return };
    let (giving_up, connection) = (engine.clone(), connection.clone());
    let remove = async move {
        if let Err(error) = try_again(&giving_up, &connection).await {
            retry(&giving_up, &connection, &brief_causes(&*error));
        }
    };
    engine.context.tasks.spawn_on(remove, &runtime);
}

/// Removes later what the store has of a connection and should not: all of it once it has closed, and before that the
/// groups that it has not joined.
pub(crate) fn retry(engine: &Arc<Engine>, connection: &ConnectionId, error: &impl Display) {
    if engine.removals.push(connection) {
        // Once, however many there will be.
        tracing::warn!(hub = %engine.name(), error = %brief_display(error), "What has left or closed could not be removed from the group store; it is tried again.");
        engine.context.spawn(retry_all(Arc::downgrade(engine)));
    }
}

/// Holds the engine only while it tries, so that a dropped node is freed.
async fn retry_all(engine: Weak<Engine>) {
    let Some(shutdown) = engine.upgrade().map(|engine| engine.context.shutdown.clone()) else { return };
    let mut pause = FIRST_PAUSE;
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = shutdown.cancelled() => true,
        };
        let Some(engine) = engine.upgrade() else { return };
        pause = match try_all(&engine).await {
            Tried::All => return,
            _ if last => return,
            Tried::Some => FIRST_PAUSE,
            Tried::None => (pause * 2).min(LONGEST_PAUSE),
        };
    }
}

/// What came of trying removals.
enum Tried {
    /// Nothing waits any more.
    All,
    /// One failed behind others that did not.
    Some,
    /// The first one failed.
    None,
}

/// Tries what waits, from the oldest on, until one fails.
async fn try_all(engine: &Arc<Engine>) -> Tried {
    let mut tried = Tried::None;
    while let Some(connection) = engine.removals.next() {
        let removed = try_again(engine, &connection).await.is_ok();
        engine.removals.done(removed);
        if !removed {
            return tried;
        }
        tried = Tried::Some;
    }
    Tried::All
}

/// Nothing here runs code of a hub; should it panic all the same, that is one attempt that failed.
async fn try_again(engine: &Engine, id: &ConnectionId) -> Result<(), Cause> {
    match AssertUnwindSafe(remove(engine, id)).catch_unwind().await {
        Ok(removed) => Ok(removed?),
        Err(_) => Err("it panicked".into()),
    }
}

async fn remove(engine: &Engine, id: &ConnectionId) -> Result<(), StoreError> {
    match engine.index.connection(id) {
        Some(connection) => remove_what_it_left(engine, &connection).await,
        None => match engine.context.store.end_connection(engine.name(), id, &engine.context.owner()).await {
            // What an earlier life of the node recorded is swept.
            Err(StoreError::Fenced) => Ok(()),
            ended => ended,
        },
    }
}

/// Removes a connection that goes on from the groups that it has not joined.
async fn remove_what_it_left(engine: &Engine, connection: &ConnectionHandle) -> Result<(), StoreError> {
    // So that it joins none of them meanwhile.
    let _turn = connection.groups.turn().await;
    let (store, hub, owner) = (&engine.context.store, engine.name(), engine.context.owner());
    for group in store.groups_of_connection(hub, &connection.id).await? {
        if !connection.groups.reasons(&group).own {
            store.remove_connection(hub, &group, &connection.id, &owner).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
