//! Takes sessions whose contents have come: each becomes this node's in the group store, of which there is one at any time, and only
//! then has a task.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::{Owner, StoreError, TakeOver, TakenOver};
use tokio::time::{Instant, sleep, timeout_at};

use super::place::Place;
use super::wire::{Content, Outcome};
use crate::cluster::forwarding::note_arrived;
use crate::connection::adopting::Adopted;
use crate::connection::handle::ConnectionHandle;
use crate::delivery::message_id::MessageId;
use crate::engine::Engine;
use crate::membership::user::timed_groups;
use crate::membership::{changes, moving, retries, user};
use crate::session_state::SessionContent;

/// How long it is tried to become the owner: less than the other node waits.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// How long messages that the other node has delivered, and that are late here, are recognized.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// A session that comes.
pub(super) struct Arrival {
    pub(super) place: Place,
    pub(super) content: Content,
    /// The node that has it.
    pub(super) from: Owner,
}

/// Takes sessions side by side.
pub(super) async fn adopt_all(arrivals: Vec<Option<Arrival>>) -> Vec<Outcome> {
    join_all(arrivals.into_iter().map(async |arrival| match arrival {
        Some(arrival) => adopt(arrival).await,
        None => Outcome::NotAdopted,
    }))
    .await
}

async fn adopt(Arrival { mut place, content, from }: Arrival) -> Outcome {
    let (engine, handle) = (place.engine.clone(), place.handle.clone());
    let Some(adopted) = restored(&place, &content) else { return Outcome::NotAdopted };
    let identity = &place.identity;
    let manager = engine.context.connections();
    let registration =
        manager.and_then(|manager| manager.adopt(identity.token_id.clone(), identity.token_expires_at));
    // Its client's token opened something here.
    let Some(mut registration) = registration else { return Outcome::NotAdopted };
    let changing = handle.principal.user_id().map(|user| engine.users.enter(user));
    let delivered = content.delivered.into_iter().map(MessageId::from_pair);
    if handle.mailbox.start(delivered).is_err() {
        registration.moved();
        return Outcome::NotAdopted;
    }
    let taken = match take_over(&engine, &handle, from).await {
        Ok(taken) => taken,
        Err(StoreError::NotOwner | StoreError::Fenced) => {
            registration.moved();
            return Outcome::NotAdopted;
        }
        Err(_) => {
            registration.moved();
            // The record may be this node's, and nobody is there.
            retries::give_up(&engine, &handle.id);
            return Outcome::Unclear;
        }
    };
    place.has_come();
    handle.set_arrived(place.reserved.take());
    moving::own_groups(&engine, &handle, &taken.own_groups).await;
    adopted.start(registration);
    note_arrived(&engine, &handle.id);
    changes::release(&engine, &handle);
    let groups = timed_groups(taken.user_groups);
    if let (Some(user), Some(changing)) = (handle.principal.user_id(), changing) {
        user::moved_here(&engine, &handle, user, changing, groups).await;
    }
    settle_later(&engine, handle);
    Outcome::Adopted
}

/// Restores a session; `None` where it cannot go on here.
fn restored(place: &Place, content: &Content) -> Option<Adopted> {
    let content = SessionContent::decode(&content.content).ok()?;
    Adopted::restore(&place.engine, place.handle.clone(), content).ok()
}

/// Becomes the owner of a connection. It is tried again where the store does not answer: it does not matter how often.
async fn take_over(
    engine: &Arc<Engine>,
    handle: &ConnectionHandle,
    from: Owner,
) -> Result<TakenOver, StoreError> {
    let deadline = Instant::now() + TAKE_OVER_TIMEOUT;
    loop {
        let taking = TakeOver {
            hub: engine.name().clone(),
            connection: handle.id.clone(),
            from: from.clone(),
            to: engine.context.owner(),
        };
        let taken = timeout_at(deadline, engine.context.store.take_over(taking)).await;
        match taken.unwrap_or(Err(StoreError::Unavailable(None))) {
            Err(StoreError::Unavailable(_)) if Instant::now() + PAUSE < deadline => sleep(PAUSE).await,
            taken => return taken,
        }
    }
}

/// What was late is there after a minute, or the link was interrupted.
fn settle_later(engine: &Engine, handle: Arc<ConnectionHandle>) {
    let (ended, shutdown) = (handle.ended(), engine.context.shutdown.clone());
    engine.context.tasks.spawn(async move {
        tokio::select! {
            () = sleep(SETTLED_AFTER) => handle.mailbox.settle(),
            () = ended.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    });
}
