//! What each hub of the attacked node has, so that a test sees what an attack left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hubward::{Hub, HubContext, HubError};

/// A hub whose method `Ended` returns how many of its connections have ended.
pub(super) fn counted<S: Clone + Send + Sync + 'static>(hub: Hub<S>) -> Hub<S> {
    counted_until(hub, |_| Ok(()))
}

/// The same, and what its `on_disconnected` comes to.
pub(super) fn counted_until<S: Clone + Send + Sync + 'static>(
    hub: Hub<S>,
    outcome: fn(HubContext) -> Result<(), HubError>,
) -> Hub<S> {
    let ended = Arc::new(AtomicU64::new(0));
    let counter = ended.clone();
    hub.on_disconnected(move |cx: HubContext| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { outcome(cx) }
    })
    .method("Ended", move || {
        let ended = ended.load(Ordering::Relaxed);
        async move { ended }
    })
    .method("Join", async |cx: HubContext, group: String| cx.groups().add(group).await)
    .method("AddOther", async |cx: HubContext, id: String, group: String| {
        cx.groups().add_connection(id, group).await
    })
    .method("Members", async |cx: HubContext, group: String| cx.groups().count(group).await)
    .method("Echo", async |text: String| text)
}
