//! Changes of a user's membership, on every node. A change is recorded in the store, which names the nodes that hold
//! connections of the user. Each of them reads the store again, so that the order in which changes arrive does not matter,
//! and confirms what it has done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::UserChange;
use hubward_hub::GroupError;
use hubward_types::{GroupName, TraceContext, UserId, brief_causes};
use tokio::task::JoinError;

use super::announcing::announce;
use super::connection::not_confirmed;
use super::rules::check_name;
use super::unannounced::Changed;
use super::{not_joined, store_failed, user};
use crate::cluster::requests::{RequestError, request};
use crate::context::NodeContext;
use crate::engine::Engine;

/// Adds a user to a group; returns when every node that holds the user delivers.
pub(crate) async fn add(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
    trace: Option<TraceContext>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    to_its_end(&engine.context.clone(), async move {
        let changing = engine.users.enter(&user);
        let recording = changing.recording().await;
        let changed = engine.context.store.add_user(engine.name(), &group, &user, ttl).await;
        drop(recording);
        let changed = changed.map_err(|error| not_joined(error, &group))?;
        let change = (changed, Changed::Membership);
        apply_everywhere(&engine, &user, &group, change, trace.as_ref()).await
    })
    .await
}

/// Removes a user from a group; returns when no node delivers any more. Where the store fails, delivery stops until it
/// can be read whether the user is still a member.
pub(crate) async fn remove(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    trace: Option<TraceContext>,
) -> Result<(), GroupError> {
    to_its_end(&engine.context.clone(), async move {
        let changing = engine.users.enter(&user);
        let recording = changing.recording().await;
        let changed = engine.context.store.remove_user(engine.name(), &group, &user).await;
        drop(recording);
        match changed {
            Ok(changed) => {
                let change = (changed, Changed::Membership);
                apply_everywhere(&engine, &user, &group, change, trace.as_ref()).await
            }
            Err(error) => {
                announce(&engine, (user.clone(), group.clone(), Changed::Membership));
                user::stop_until_read(&engine, &user, &group).await;
                Err(store_failed(error))
            }
        }
    })
    .await
}

/// Bans a user from a group; returns when no node delivers any more, neither for the user nor for what its connections have
/// joined themselves. Where the store fails, delivery on this node stops all the same.
pub(crate) async fn ban(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    trace: Option<TraceContext>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    to_its_end(&engine.context.clone(), async move {
        let changing = engine.users.enter(&user);
        let recording = changing.recording().await;
        let banned = engine.context.store.ban_user(engine.name(), &group, &user).await;
        drop(recording);
        match banned {
            Ok(changed) => {
                let change = (changed, Changed::Ban);
                apply_everywhere(&engine, &user, &group, change, trace.as_ref()).await
            }
            Err(error) => {
                announce(&engine, (user.clone(), group.clone(), Changed::Ban));
                user::expel(&engine, &user, &group).await;
                Err(store_failed(error))
            }
        }
    })
    .await
}

/// Ends a ban. Nothing is delivered for it.
pub(crate) async fn unban(engine: Arc<Engine>, user: UserId, group: GroupName) -> Result<(), GroupError> {
    to_its_end(&engine.context.clone(), async move {
        let changing = engine.users.enter(&user);
        let _recording = changing.recording().await;
        engine.context.store.unban_user(engine.name(), &group, &user).await.map_err(store_failed)
    })
    .await
}

/// Runs a change to its end, whether or not its caller waits for it.
async fn to_its_end(
    context: &NodeContext,
    change: impl Future<Output = Result<(), GroupError>> + Send + 'static,
) -> Result<(), GroupError> {
    context.to_its_end(change).await.unwrap_or_else(not_run)
}

/// Lets every node that holds the user read the change.
async fn apply_everywhere(
    engine: &Arc<Engine>,
    user: &UserId,
    group: &GroupName,
    (changed, what): (UserChange, Changed),
    trace: Option<&TraceContext>,
) -> Result<(), GroupError> {
    let context = &engine.context;
    let timeout = engine.definition.options.confirmation_timeout;
    let elsewhere = changed.nodes.iter().filter(|node| **node != context.id).map(async |node| {
        let body = |id| what.body(id, engine.name(), user, group);
        let requested = request(context, node, timeout, trace, body).await;
        if matches!(requested, Err(RequestError::Backplane(_))) {
            announce(engine, (user.clone(), group.clone(), what));
        }
        requested.map_err(|error| not_confirmed(error, group))
    });
    let here = async {
        match what {
            Changed::Membership => user::apply(engine, user, group).await,
            Changed::Ban => user::apply_ban(engine, user, group).await,
        }
    };
    let (here, elsewhere) = tokio::join!(here, join_all(elsewhere));
    elsewhere.into_iter().fold(here, Result::and)
}

/// A change that panicked, or whose runtime ended: it may have taken effect or not.
fn not_run(error: JoinError) -> Result<(), GroupError> {
    Err(GroupError::Owner { reason: brief_causes(&error).to_string() })
}

#[cfg(test)]
mod bans;
#[cfg(test)]
mod racing;
#[cfg(test)]
mod tests;
