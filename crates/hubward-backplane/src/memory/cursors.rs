//! Cursors of the in-memory store: the last entry that was listed, after a letter for its kind.

use hubward_types::{ConnectionId, UserId};

use crate::group_store::{Cursor, Member, StoreError};

pub(super) fn after_connection(last: &ConnectionId) -> Cursor {
    Cursor::new(format!("c{last}"))
}

pub(super) fn after_user(last: &UserId) -> Cursor {
    Cursor::new(format!("u{last}"))
}

pub(super) fn after_member(last: &Member) -> Cursor {
    match last {
        Member::Connection(connection) => after_connection(connection),
        Member::User(user) => after_user(user),
    }
}

/// Returns the member that a listing goes on after, if it does not begin.
pub(super) fn member(cursor: Option<&Cursor>) -> Result<Option<Member>, StoreError> {
    let Some(cursor) = cursor.map(Cursor::as_str) else { return Ok(None) };
    let connection = cursor.strip_prefix('c').map(|connection| Member::Connection(connection.into()));
    let user = || cursor.strip_prefix('u').map(|user| Member::User(user.into()));
    connection.or_else(user).map(Some).ok_or(StoreError::InvalidCursor)
}

/// Returns the connection that a listing of connections goes on after, if it does not begin.
pub(super) fn connection(cursor: Option<&Cursor>) -> Result<Option<ConnectionId>, StoreError> {
    match member(cursor)? {
        Some(Member::Connection(connection)) => Ok(Some(connection)),
        Some(Member::User(_)) => Err(StoreError::InvalidCursor),
        None => Ok(None),
    }
}

/// Returns the user that a listing of users goes on after, if it does not begin.
pub(super) fn user(cursor: Option<&Cursor>) -> Result<Option<UserId>, StoreError> {
    match member(cursor)? {
        Some(Member::User(user)) => Ok(Some(user)),
        Some(Member::Connection(_)) => Err(StoreError::InvalidCursor),
        None => Ok(None),
    }
}
