//! Users: who is online, and disconnecting one everywhere.

use std::sync::Arc;

use hubward_types::UserId;

use crate::engine::HubEngine;
use crate::engine::group_members::PageCursor;
use crate::engine::presence::{ConnectionPage, UserPage};
use crate::error::UserError;

/// The most entries that a page has, whatever limit is given.
const PAGE_LIMIT: usize = 1_000;

/// The users of a hub, on all nodes.
///
/// ```
/// use hubward_hub::{HubContext, HubError};
///
/// async fn dismiss(cx: HubContext, user: String) -> Result<bool, HubError> {
///     if !cx.users().is_online(&user).await? {
///         return Ok(false);
///     }
///     cx.groups().ban_user(&user, "ward:7").await?;
///     cx.users().disconnect(&user).await?;
///     Ok(true)
/// }
/// ```
#[derive(Clone)]
pub struct Users {
    engine: Arc<dyn HubEngine>,
}

impl Users {
    pub(crate) fn new(engine: Arc<dyn HubEngine>) -> Self {
        Self { engine }
    }

    /// Lists the users that have an open connection, at most `limit` (1 to 1,000) at once; the page's cursor continues the
    /// listing. A user that stays online throughout is listed exactly once. Connections without a user are not listed.
    ///
    /// # Errors
    /// [`UserError::Store`] where the group store fails, and for a cursor that is not from a page of this listing.
    pub async fn online(&self, cursor: Option<PageCursor>, limit: usize) -> Result<UserPage, UserError> {
        self.engine.users_online(cursor, limit.clamp(1, PAGE_LIMIT)).await
    }

    /// Lists the open connections of a user, at most `limit` (1 to 1,000) at once; the page's cursor continues the listing.
    /// A connection that stays open throughout is listed exactly once.
    ///
    /// # Errors
    /// [`UserError::Store`] where the group store fails, and for a cursor that is not from a page of this listing.
    pub async fn connections_of(
        &self,
        user: impl Into<UserId>,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> Result<ConnectionPage, UserError> {
        self.engine.connections_of_user(&user.into(), cursor, limit.clamp(1, PAGE_LIMIT)).await
    }

    /// Returns whether a user has an open connection, on any node.
    ///
    /// # Errors
    /// [`UserError::Store`] where the group store fails.
    pub async fn is_online(&self, user: impl Into<UserId>) -> Result<bool, UserError> {
        self.engine.is_online(&user.into()).await
    }

    /// Ends all connections of a user, on every node, with a Close message that does not allow a reconnect. From when it
    /// returns, nothing that is sent reaches them. It also waits for their `on_disconnected`, but for no longer than half of
    /// [`confirmation_timeout`](crate::HubOptions::confirmation_timeout).
    ///
    /// It ends what there is and no more: a client may connect anew, unless its token is refused. Closing a connection of
    /// the caller's own user does not stop the method that is running.
    ///
    /// # Errors
    /// [`UserError`]: connections of other nodes may go on, such as in an outage, and nothing ends them later: call it again,
    /// which does no harm. Those of this node have ended, unless it is [`NoConfirmation`](UserError::NoConfirmation).
    pub async fn disconnect(&self, user: impl Into<UserId>) -> Result<(), UserError> {
        self.engine.disconnect_user(&user.into()).await
    }
}
