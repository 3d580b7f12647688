//! A stateful client that comes back: its new transport takes over, and the hub's `on_resumed` runs before more of its calls are
//! read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hubward_hub::{CallKind, HubConnection, HubContext, HubEngine, Items, Request};
use hubward_types::{ConnectionId, Principal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ConnectionTask;
use super::close_reason::{CLOSED_WITH_ERROR, CloseReason};
use super::handle::ConnectionHandle;
use crate::engine::Engine;
use crate::invocation::failures::{self, HubPart};
use crate::invocation::{lifecycle, panics};

impl ConnectionTask {
    /// A stateful client that resumes on another WebSocket takes over at once, whether or not the old one is known to
    /// be lost.
    pub(super) fn poll_resumed(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.session.is_stateful() {
            return false;
        }
        let Poll::Ready(pipe) = self.registration.poll_resumed(cx) else { return false };
        self.attached_since = Instant::now();
        self.lost = None;
        if let Some(handle) = &self.handle {
            handle.set_resumed();
        }
        let now = self.attached_since.into_std();
        if self.pipe.replace(pipe).is_some() {
            self.session.disconnected(now);
        }
        // What was on its way to the old pipe is kept in the session's replay buffer, and is sent again from there.
        self.outgoing.clear();
        self.blocked = false;
        // Nobody has been slow on this transport yet.
        self.set_stalled(false);
        self.discard_input();
        self.session.reconnected(now);
        self.is_resumed = true;
        true
    }

    /// Starts `on_resumed` for a client that has come back, when nothing else runs before its calls. A session that moves
    /// goes without: its client resumes on the other node.
    pub(super) fn start_resumed(&mut self) -> bool {
        if !self.is_resumed || self.connecting.is_some() || self.moving.is_some() {
            return false;
        }
        self.is_resumed = false;
        let Some(handle) = self.handle.clone() else { return false };
        if self.engine.definition.on_resumed.is_none() && self.engine.definition.filters.is_empty() {
            return false;
        }
        let (engine, hub) = (self.engine.clone(), self.hub.clone());
        self.connecting = Some(Box::pin(resumed(engine, handle, hub)));
        true
    }
}

/// Runs `on_resumed`.
async fn resumed(
    engine: Arc<Engine>,
    handle: Arc<ConnectionHandle>,
    hub: Arc<dyn HubEngine>,
) -> Result<(), CloseReason> {
    let resuming = Arc::new(Resuming { handle: handle.clone(), is_done: AtomicBool::new(false) });
    let context = HubContext::new(resuming.clone(), hub, 0);
    let method = engine.definition.on_resumed.as_ref();
    let run = lifecycle::run(&engine, method, context, handle.protocol, CallKind::Resumed);
    let done = panics::catch_panic(run).await;
    resuming.is_done.store(true, Ordering::Release);
    done.map_err(|error| {
        failures::report(&engine, &handle, HubPart::Resumed, &error);
        let text = failures::wire_text(&engine, CLOSED_WITH_ERROR, &error);
        failures::discard(&engine, &handle, HubPart::Resumed, error);
        CloseReason::ResumeFailed(text)
    })
}

/// A connection as `on_resumed` sees it: nothing of its client is read until that is done, client results neither.
struct Resuming {
    handle: Arc<ConnectionHandle>,
    is_done: AtomicBool,
}

impl HubConnection for Resuming {
    fn id(&self) -> &ConnectionId {
        self.handle.id()
    }

    fn principal(&self) -> &Principal {
        self.handle.principal()
    }

    fn items(&self) -> &Items {
        self.handle.items()
    }

    fn request(&self) -> &dyn Request {
        self.handle.request()
    }

    fn connection_closed(&self) -> CancellationToken {
        self.handle.connection_closed()
    }

    fn abort(&self) {
        self.handle.abort();
    }

    fn accepts_client_results(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
