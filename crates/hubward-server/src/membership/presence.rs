//! Queries of the group store: who is online.

use std::sync::Arc;

use hubward_backplane::{Cursor, StoreError};
use hubward_hub::{ConnectionPage, PageCursor, UserError, UserPage};
use hubward_types::{UserId, brief_causes};

use crate::engine::Engine;

/// Lists a page of the users that are online.
pub(crate) async fn users_online(
    engine: Arc<Engine>,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<UserPage, UserError> {
    let store = &engine.context.store;
    let page = store.users_online(engine.name(), cursor.map(to_store), limit).await.map_err(failed)?;
    Ok(UserPage { users: page.users, next: page.next.map(from_store) })
}

/// Lists a page of a user's open connections.
pub(crate) async fn connections_of_user(
    engine: Arc<Engine>,
    user: UserId,
    cursor: Option<PageCursor>,
    limit: usize,
) -> Result<ConnectionPage, UserError> {
    let (store, cursor) = (&engine.context.store, cursor.map(to_store));
    let page = store.connections_of_user(engine.name(), &user, cursor, limit).await.map_err(failed)?;
    Ok(ConnectionPage { connections: page.connections, next: page.next.map(from_store) })
}

/// Returns whether a user has an open connection.
pub(crate) async fn is_online(engine: Arc<Engine>, user: UserId) -> Result<bool, UserError> {
    engine.context.store.is_online(engine.name(), &user).await.map_err(failed)
}

fn failed(error: StoreError) -> UserError {
    UserError::Store { reason: brief_causes(&error).to_string() }
}

fn to_store(cursor: PageCursor) -> Cursor {
    Cursor::new(cursor.as_str())
}

fn from_store(cursor: Cursor) -> PageCursor {
    PageCursor::new(cursor.as_str())
}

#[cfg(test)]
mod tests;
