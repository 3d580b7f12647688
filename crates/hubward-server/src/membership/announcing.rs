//! Notifies other nodes later of changes of users that they could not be notified of: while they do not know of it, they go
//! on delivering to whom the store says is no member.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hubward_backplane::Topic;
use tokio::sync::watch;

use super::unannounced::{AddedChange, UnannouncedChange};
use crate::cluster::link::NodeLinkState;
use crate::cluster::requests::UNCONFIRMED;
use crate::engine::Engine;

/// The pause before it is tried again where the link is whole, and publishing fails all the same.
const PAUSE: Duration = Duration::from_millis(250);

/// Notifies the other nodes of what may have changed, when they can be: at once, or when the link to them is whole. None
/// confirms it.
pub(crate) fn announce(engine: &Arc<Engine>, change: UnannouncedChange) {
    if engine.context.other_nodes().is_none() {
        return;
    }
    match engine.unannounced.add(change) {
        AddedChange::First => {
            let (link, shutdown) = (engine.context.link.watch(), engine.context.shutdown.clone());
            let announcing = announce_all(Arc::downgrade(engine), link);
            engine.context.tasks.spawn(async move {
                tokio::select! {
                    () = announcing => {}
                    () = shutdown.cancelled() => {}
                }
            });
        }
        AddedChange::Waits => {}
        AddedChange::Refused => {
            tracing::warn!(hub = %engine.name(), "Too many changes of users wait for the link to the other nodes; some of these may go on delivering to users that are no members.");
        }
    }
}

/// Holds the engine only while the link is whole, so that a dropped node is freed.
async fn announce_all(engine: Weak<Engine>, mut link: watch::Receiver<NodeLinkState>) {
    loop {
        let whole = |state: &NodeLinkState| !matches!(state, NodeLinkState::Interrupted { .. });
        if link.wait_for(whole).await.map(drop).is_err() {
            return;
        }
        let Some(engine) = engine.upgrade() else { return };
        let Some(change) = engine.unannounced.take() else { return };
        if !published(&engine, &change).await {
            engine.unannounced.put_back(change);
            drop(engine);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn published(engine: &Engine, (user, group, changed): &UnannouncedChange) -> bool {
    let (context, hub) = (&engine.context, engine.name());
    let Some(backplane) = context.other_nodes() else { return true };
    let topic = Topic::User(hub.clone(), user.clone());
    let body = changed.body(UNCONFIRMED, hub, user, group);
    context.publish(backplane, vec![topic], None, body).await.is_ok()
}

#[cfg(test)]
mod tests;
