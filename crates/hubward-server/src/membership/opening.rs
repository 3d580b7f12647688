//! A connection that opens: claimed and recorded, and subscribed for, usually before its client has the response to its
//! request. What is not handed over to an open connection is given up.

use std::sync::Arc;
use std::time::SystemTime;

use hubward_backplane::{Owner, StoreError, Topic};
use hubward_types::{ConnectionId, NodeId, UserId};
use tokio::time::Instant;

use super::outage::{Failed, in_time};
use super::record;
use super::retries::give_up;
use super::user::{Membership, timed_groups};
use super::users::ChangingUser;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// A connection that opens.
pub(crate) struct Opening {
    engine: Arc<Engine>,
    connection: ConnectionId,
    user: Option<UserId>,
    /// Whether the store has, or may have, a record of it.
    recorded: bool,
    /// The life of the node in which it was recorded.
    owner: Owner,
    /// Whether the node subscribes for it to what other nodes publish for its user.
    subscribed: bool,
    outcome: OpeningOutcome,
}

/// What came of an opening.
#[derive(Default)]
pub(crate) struct OpeningOutcome {
    /// From before the groups were read: a change that is announced meanwhile makes them out of date.
    pub(crate) changing: Option<ChangingUser>,
    /// The groups of its user, where they could be read.
    pub(crate) groups: Option<Vec<Membership>>,
    /// What could not be done.
    pub(crate) failed: Option<Failed>,
}

impl Opening {
    /// Claims a connection and records it, and subscribes to what other nodes publish for its user. Both have a deadline.
    ///
    /// # Errors
    ///
    /// The node that has claimed it before. Of all else that fails the outcome has the cause.
    pub(crate) async fn begin(
        engine: &Arc<Engine>,
        connection: ConnectionId,
        user: Option<UserId>,
        token_expires_at: Option<SystemTime>,
    ) -> Result<Self, NodeId> {
        let (hub, context) = (engine.name(), &engine.context);
        let changing = user.as_ref().map(|user| engine.users.enter(user));
        let mut opening = Self {
            engine: engine.clone(),
            connection: connection.clone(),
            user: user.clone(),
            recorded: record::is_recorded(engine, user.as_ref()),
            owner: context.owner(),
            subscribed: false,
            outcome: OpeningOutcome { changing, ..OpeningOutcome::default() },
        };
        let is_subscribed = &mut opening.subscribed;
        let subscribe = async {
            let Some(user) = user.as_ref().filter(|_| context.backplane.is_some()) else { return Ok(()) };
            in_time(context.subscriptions.add_one(Topic::User(hub.clone(), user.clone()))).await?;
            *is_subscribed = true;
            Ok(())
        };
        let open = in_time(record::open(engine, &connection, user.as_ref(), token_expires_at));
        let (opened, subscribed) = tokio::join!(open, subscribe);
        opening.outcome.failed = subscribed.err();
        match opened {
            Ok(opened) => opening.outcome.groups = Some(timed_groups(opened.groups)),
            Err(Failed::Refused(StoreError::Claimed { by })) => {
                opening.recorded = false;
                return Err(by);
            }
            Err(failed) => opening.outcome.failed = Some(failed),
        }
        Ok(opening)
    }

    /// Hands over to the open connection what was done for it, which its end undoes. Returns whether the node has begun
    /// another life meanwhile, in which the connection has yet to be recorded.
    pub(crate) fn hand_over(mut self, connection: &ConnectionHandle) -> (OpeningOutcome, bool) {
        // The interest stays this one's where the connection has one already: it was recorded again meanwhile.
        if self.subscribed {
            self.subscribed = connection.set_user_subscribed(true);
        }
        self.recorded = false;
        let mut outcome = std::mem::take(&mut self.outcome);
        let now = Instant::now();
        if let Some(groups) = &mut outcome.groups {
            groups.retain(|(_, expires_at)| expires_at.is_none_or(|expires_at| expires_at > now));
        }
        (outcome, self.owner != self.engine.context.owner())
    }
}

impl Drop for Opening {
    /// Gives up the connection, if nobody has taken it over: its client has gone, or its handshake has failed.
    fn drop(&mut self) {
        if self.subscribed
            && let Some(user) = self.user.take()
        {
            self.engine.context.subscriptions.remove(&Topic::User(self.engine.name().clone(), user));
        }
        if self.recorded {
            give_up(&self.engine, &self.connection);
        }
    }
}

#[cfg(test)]
mod tests;
