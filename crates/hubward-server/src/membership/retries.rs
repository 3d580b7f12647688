//! Tries again to remove from the group store what could not be: until it is removed, or the node's life has ended and
//! the other nodes sweep it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hubward_backplane::StoreError;
use hubward_types::{ConnectionId, GroupName};

use super::removals::Removal;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// The first pause before a removal is tried again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tries a removal again later: of a connection from a group, or without one from everything.
pub(crate) fn retry(engine: &Arc<Engine>, connection: &ConnectionId, group: Option<&GroupName>) {
    let removal = Removal { connection: connection.clone(), group: group.cloned() };
    if engine.removals.push(removal) {
        engine.context.tasks.spawn(retry_all(Arc::downgrade(engine)));
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
        if try_all(&engine).await || last {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tries what waits, from the oldest on, until one fails; true where nothing waits any more.
async fn try_all(engine: &Arc<Engine>) -> bool {
    while let Some(removal) = engine.removals.next() {
        if try_again(engine, &removal).await.is_err() {
            engine.removals.put_back(removal);
            return false;
        }
    }
    true
}

async fn try_again(engine: &Arc<Engine>, removal: &Removal) -> Result<(), StoreError> {
    let (context, id) = (&engine.context, &removal.connection);
    let removed = match &removal.group {
        Some(group) => match engine.index.connection(id) {
            Some(connection) => remove_unless_joined(engine, &connection, group).await,
            // It has closed, and its end removes all of it.
            None => Ok(()),
        },
        None => context.store.end_connection(engine.name(), id, &context.owner()).await,
    };
    match removed {
        // What an earlier life of the node recorded is swept.
        Err(StoreError::Fenced) => Ok(()),
        removed => removed,
    }
}

/// Removes a record that a leave could not, unless the connection has joined again. It may join while this runs: that
/// join then records it again after this, since the two take turns.
async fn remove_unless_joined(
    engine: &Engine,
    connection: &ConnectionHandle,
    group: &GroupName,
) -> Result<(), StoreError> {
    let _turn = connection.groups.turn().await;
    if connection.groups.reasons(group).own {
        return Ok(());
    }
    let (store, owner) = (&engine.context.store, engine.context.owner());
    store.remove_connection(engine.name(), group, &connection.id, &owner).await
}
