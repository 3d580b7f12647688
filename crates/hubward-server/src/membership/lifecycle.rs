//! What happens to groups and subscriptions when a connection opens and when it closes.

use std::sync::Arc;

use hubward_backplane::{StoreError, Topic};
use hubward_hub::GroupError;

use super::opening::{Opening, OpeningOutcome};
use super::outage::{self, Failed, in_time};
use super::record::is_recorded;
use super::user::Membership;
use super::users::ChangingUser;
use super::{changes, recording, store_failed, user};
use crate::connection::close_reason::CloseReason;
use crate::connection::groups::GroupChange;
use crate::connection::handle::ConnectionHandle;
use crate::engine::Engine;

/// Makes a connection reachable. Where it has to be recorded first, changes of its groups wait for that.
pub(crate) fn enter(engine: &Engine, connection: &Arc<ConnectionHandle>) {
    if is_recorded(engine, connection.principal.user_id()) {
        connection.groups.hold();
    }
    engine.index.add(connection);
}

/// Why a connection cannot be opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// The store refuses it.
    Refused(GroupError),
    /// The store or the backplane cannot be reached, and the hub accepts no connections then.
    Outage,
}

/// Takes over what was done for a connection that has opened, or does it now: records it, and subscribes to what other
/// nodes publish for its user. Then delivers the groups of its user. What cannot be done because the store or the backplane
/// cannot be reached is done later, unless the hub refuses connections then.
pub(crate) async fn connected(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    opening: Option<Box<Opening>>,
) -> Result<(), NotOpened> {
    let opened = async {
        // Also where it panics: the connection's end waits for its turn.
        scopeguard::defer! { changes::release(engine, connection) }
        let opening = match opening {
            Some(opening) => *opening,
            None => {
                let (id, user) = (connection.id.clone(), connection.principal.user_id().cloned());
                Opening::begin(engine, id, user, connection.token_expires_at()).await?
            }
        };
        Ok(opening.hand_over(connection))
    };
    let (outcome, in_another_life) =
        opened.await.map_err(|by| NotOpened::Refused(store_failed(StoreError::Claimed { by })))?;
    let OpeningOutcome { changing, groups, mut failed } = outcome;
    // It was not in the index when its user was disconnected.
    if changing.as_ref().is_some_and(ChangingUser::is_disconnected) {
        connection.close(CloseReason::UserDisconnected);
    }
    if let Some(groups) = groups {
        failed = deliver_groups(engine, connection, changing, groups).await.err().or(failed);
    }
    if let Some(failed) = failed {
        return not_opened(engine, connection, failed);
    }
    if in_another_life {
        recording::restore_one(engine, connection);
    } else if !engine.definition.options.accept_during_outage {
        // Where connections are refused, nobody else learns that it has. Others wait until all are recorded.
        outage::might_have_ended(engine);
    }
    Ok(())
}

/// Delivers the groups of a connection's user, as they were read when it opened or, if they have changed meanwhile, as they
/// are read now.
async fn deliver_groups(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    changing: Option<ChangingUser>,
    groups: Vec<Membership>,
) -> Result<(), Failed> {
    let (Some(user), Some(changing)) = (connection.principal.user_id(), changing) else { return Ok(()) };
    // A change of the user that is not done in time would hold up the connection.
    let _turn = in_time(async { Ok::<_, Failed>(changing.turn().await) }).await?;
    let groups = match changing.is_outdated() {
        true => user::timed_groups(in_time(engine.context.store.groups_of_user(engine.name(), user)).await?),
        false => groups,
    };
    user::connected(engine, connection, user, groups).await;
    Ok(())
}

/// Refuses a connection that the store refuses. What cannot be done in an outage is done later, unless the hub refuses
/// connections then.
fn not_opened(
    engine: &Arc<Engine>,
    connection: &Arc<ConnectionHandle>,
    failed: Failed,
) -> Result<(), NotOpened> {
    if let Failed::Refused(error) = failed {
        return Err(NotOpened::Refused(store_failed(error)));
    }
    outage::begins(engine, &failed);
    if !engine.definition.options.accept_during_outage {
        return Err(NotOpened::Outage);
    }
    recording::record_later(engine, connection);
    Ok(())
}

/// Ends delivery to a connection that has closed, from this node and from others, and removes its memberships.
pub(crate) async fn disconnected(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    left(engine, connection, GroupChange::End).await;
}

/// Ends delivery to a connection that another node has now, from this node and from others. Its record is the other node's.
pub(crate) async fn moved(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>) {
    left(engine, connection, GroupChange::Moved).await;
}

async fn left(engine: &Arc<Engine>, connection: &Arc<ConnectionHandle>, last: GroupChange) {
    // Also where something panics.
    scopeguard::defer! { connection.set_ended() }
    engine.index.remove(connection);
    engine.unrecorded.remove(connection);
    let of_user = connection.groups.all().into_iter().filter(|(_, reasons)| reasons.user);
    let of_user = of_user.map(|(group, _)| group).collect();
    // After the changes that were made before; none is made afterwards. It reports no error.
    let _ = changes::change(engine, connection, last).await;
    let Some(user) = connection.principal.user_id() else { return };
    if connection.set_user_subscribed(false) {
        engine.context.subscriptions.remove(&Topic::User(engine.name().clone(), user.clone()));
    }
    user::disconnected(engine, user, of_user).await;
}

#[cfg(test)]
mod tests;
