//! Changes of a user's membership, on every node. A change is recorded in the store, which names the nodes that hold
//! connections of the user. Each of them reads the store again, so that the order in which changes arrive does not matter,
//! and confirms what it has done.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::{Body, Topic, UserChange};
use hubward_hub::GroupError;
use hubward_types::{GroupName, UserId};
use tokio::task::JoinError;

use super::connection::not_confirmed;
use super::rules::check_name;
use super::{store_failed, user};
use crate::cluster::requests::request;
use crate::context::NodeContext;
use crate::engine::Engine;

/// The number of a request whose confirmation nobody waits for.
const UNCONFIRMED: u64 = u64::MAX;

/// Adds a user to a group; returns when every node that holds the user delivers.
pub(crate) async fn add(
    engine: Arc<Engine>,
    user: UserId,
    group: GroupName,
    ttl: Option<Duration>,
) -> Result<(), GroupError> {
    check_name(&engine, &group)?;
    to_its_end(&engine.context.clone(), async move {
        let changing = engine.users.enter(&user);
        let recording = changing.recording().await;
        let changed = engine.context.store.add_user(engine.name(), &group, &user, ttl).await;
        drop(recording);
        apply_everywhere(&engine, &user, &group, changed.map_err(store_failed)?).await
    })
    .await
}

/// Removes a user from a group; returns when no node delivers any more. Where the store fails, delivery stops until it
/// can be read whether the user is still a member.
pub(crate) async fn remove(engine: Arc<Engine>, user: UserId, group: GroupName) -> Result<(), GroupError> {
    to_its_end(&engine.context.clone(), async move {
        let changing = engine.users.enter(&user);
        let recording = changing.recording().await;
        let changed = engine.context.store.remove_user(engine.name(), &group, &user).await;
        drop(recording);
        match changed {
            Ok(changed) => apply_everywhere(&engine, &user, &group, changed).await,
            Err(error) => {
                let (hub, of_user) = (engine.name().clone(), user.clone());
                if let Some(backplane) = engine.context.other_nodes() {
                    let topic = Topic::User(hub.clone(), user.clone());
                    let body =
                        Body::UserChanged { id: UNCONFIRMED, hub, user: of_user, group: group.clone() };
                    drop(engine.context.publish(backplane, vec![topic], body));
                }
                user::stop_until_read(&engine, &user, &group).await;
                Err(store_failed(error))
            }
        }
    })
    .await
}

/// Runs a change to its end, whether or not its caller waits for it. It begins at once, so that changes take turns in the
/// order of their calls.
async fn to_its_end(
    context: &NodeContext,
    change: impl Future<Output = Result<(), GroupError>> + Send + 'static,
) -> Result<(), GroupError> {
    let mut changing = Box::pin(change);
    let begun = Future::poll(changing.as_mut(), &mut Context::from_waker(Waker::noop()));
    match begun {
        Poll::Ready(changed) => changed,
        Poll::Pending => context.tasks.spawn(changing).await.unwrap_or_else(not_run),
    }
}

/// Lets every node that holds the user read the change.
async fn apply_everywhere(
    engine: &Arc<Engine>,
    user: &UserId,
    group: &GroupName,
    changed: UserChange,
) -> Result<(), GroupError> {
    let context = &engine.context;
    let timeout = engine.definition.options.confirmation_timeout;
    let elsewhere = changed.nodes.iter().filter(|node| **node != context.id).map(async |node| {
        let requested = request(context, node, timeout, |id| {
            let (hub, user, group) = (engine.name().clone(), user.clone(), group.clone());
            Body::UserChanged { id, hub, user, group }
        });
        requested.await.map_err(not_confirmed)
    });
    let (here, elsewhere) = tokio::join!(user::apply(engine, user, group), join_all(elsewhere));
    elsewhere.into_iter().fold(here, Result::and)
}

/// A change that panicked, or whose runtime ended: it may have taken effect or not.
fn not_run(error: JoinError) -> Result<(), GroupError> {
    Err(GroupError::Owner { reason: error.to_string() })
}

#[cfg(test)]
mod racing;
#[cfg(test)]
mod tests;
