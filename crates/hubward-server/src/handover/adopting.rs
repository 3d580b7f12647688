//! Takes sessions whose contents have come: each becomes this node's in the group store, of which there is one at any time, and only
//! then has a task.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubward_backplane::{Owner, StoreError, TakeOver, TakenOver};
use tokio::time::{Instant, sleep, timeout_at};

use super::place::SessionPlace;
use super::wire::{AdoptOutcome, GivenContent};
use crate::cluster::forwarding::note_arrived;
use crate::connection::adopting::Adopted;
use crate::connection::close_reason::CloseReason;
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
    pub(super) place: SessionPlace,
    pub(super) content: GivenContent,
    /// The node that has it.
    pub(super) from: Owner,
}

/// Takes sessions side by side.
pub(super) async fn adopt_all(arrivals: Vec<Option<Arrival>>) -> Vec<AdoptOutcome> {
    join_all(arrivals.into_iter().map(async |arrival| match arrival {
        Some(arrival) => adopt(arrival).await,
        None => AdoptOutcome::NotAdopted,
    }))
    .await
}

async fn adopt(Arrival { mut place, content, from }: Arrival) -> AdoptOutcome {
    let (engine, handle) = (place.engine.clone(), place.handle.clone());
    let restored = restored(&place, &content).filter(|_| !place.has_missed());
    let Some(adopted) = restored else { return AdoptOutcome::NotAdopted };
    let identity = &place.identity;
    let registration = engine
        .context
        .connections()
        .and_then(|manager| manager.adopt(identity.token_id.clone(), identity.token_expires_at));
    // Its client's token opened something here.
    let Some(mut registration) = registration else { return AdoptOutcome::NotAdopted };
    let changing = handle.principal.user_id().map(|user| engine.users.enter(user));
    let taken = match take_over(&engine, &handle, from).await {
        Ok(taken) => taken,
        Err(error) => {
            registration.moved();
            if matches!(error, StoreError::NotOwner | StoreError::Fenced) {
                return AdoptOutcome::NotAdopted;
            }
            // The record may be this node's, and nobody is there.
            retries::give_up(&engine, &handle.id);
            return AdoptOutcome::Unclear;
        }
    };
    place.has_come();
    handle.set_arrived(place.reserved.take());
    note_arrived(&engine, &handle.id);
    let is_whole = handle.mailbox.start(content.delivered.into_iter().map(MessageId::from_pair)).is_ok();
    moving::own_groups(&engine, &handle, &taken.own_groups).await;
    adopted.start(registration);
    if !is_whole {
        // More came than could be kept. One that was closed meanwhile has its reason already.
        handle.close(CloseReason::HandoverFailed);
    }
    changes::release(&engine, &handle);
    let groups = timed_groups(taken.user_groups);
    if let (Some(user), Some(changing)) = (handle.principal.user_id(), changing) {
        user::moved_here(&engine, &handle, user, changing, groups).await;
    }
    settle_later(&engine, handle);
    AdoptOutcome::Adopted
}

/// Restores a session; `None` where it cannot go on here.
fn restored(place: &SessionPlace, content: &GivenContent) -> Option<Adopted> {
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
