//! From the handshake to the first call: the connection can be reached, and the hub's `on_connected` runs.

use std::sync::Arc;
use std::task::{Context, Poll};

use hubward_hub::{CallKind, HubContext, HubEngine};
use hubward_proto::Protocol;
use hubward_transport::Transport;

use super::close_reason::{CLOSED_WITH_ERROR, CloseReason};
use super::handle::ConnectionHandle;
use super::mailbox::Mailbox;
use super::opening_request::OpeningRequest;
use super::{ConnectionTask, Opened};
use crate::engine::Engine;
use crate::invocation::failures::{self, HubPart};
use crate::invocation::{lifecycle, panics};
use crate::membership::{self, lifecycle::NotOpened, opening::Opening};

/// From how many waiting bytes on those who can wait do, where the client polls: as many as its pipe holds for a poll.
const POLLED_BYTES: usize = 64 << 10;

impl ConnectionTask {
    pub(super) fn poll_connecting(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let started = self.start_resumed();
        let Some(connecting) = &mut self.connecting else { return Ok(false) };
        let Poll::Ready(connected) = connecting.as_mut().poll(cx) else { return Ok(started) };
        self.connecting = None;
        connected?;
        if let Some(handle) = &self.handle {
            handle.start_reading();
        }
        Ok(true)
    }

    /// Makes the connection reachable and starts `on_connected`, now that the handshake is done.
    pub(super) fn connect(&mut self, protocol: Protocol) {
        let logged_id = self.logged_id().clone();
        let Opened { id, principal, request } = &*self.opened;
        let handle = Arc::new(ConnectionHandle::new(
            self.engine.context.next_key(),
            id.clone(),
            logged_id,
            principal.clone(),
            protocol,
            OpeningRequest { stateful: self.session.is_stateful(), ..request.clone() },
            mailbox(&self.engine, request.transport),
        ));
        self.handle = Some(handle.clone());
        if !self.session.is_stateful() {
            self.registration.forbid_resume();
        }
        let (engine, hub) = (self.engine.clone(), self.hub.clone());
        // Before the handshake response is written: whoever has seen it misses nothing that is sent afterwards. A client
        // may so receive messages before `on_connected` is done, but none before the response, which goes first.
        membership::lifecycle::enter(&engine, &handle);
        close_if_shutting_down(&engine, &handle);
        if has_nothing_to_await(&engine, &handle) {
            handle.start_reading();
            return;
        }
        let opening = self.registration.take_claim();
        self.connecting = Some(Box::pin(connected(engine, handle, hub, opening)));
    }
}

/// Makes the mailbox of a connection. A long-polling client may leave what it has asked for, without keeping a socket: that
/// should not be much more than its pipe holds anyway.
fn mailbox(engine: &Engine, transport: Transport) -> Mailbox {
    let mailbox = Mailbox::new(engine.mailbox_limits());
    if transport == Transport::LongPolling { mailbox.waiting_from(POLLED_BYTES) } else { mailbox }
}

/// Records a connection and subscribes for it, where that was not done before, and runs `on_connected`.
async fn connected(
    engine: Arc<Engine>,
    handle: Arc<ConnectionHandle>,
    hub: Arc<dyn HubEngine>,
    opening: Option<Box<Opening>>,
) -> Result<(), CloseReason> {
    let opening = panics::catch_panic(async {
        match membership::lifecycle::connected(&engine, &handle, opening).await {
            Ok(()) => {}
            Err(NotOpened::Refused(error)) => return Err(error.into()),
            Err(NotOpened::Outage) => return Ok(Err(CloseReason::Outage)),
        }
        let context = HubContext::new(handle.clone(), hub, 0);
        let method = engine.definition.on_connected.as_ref();
        lifecycle::run(&engine, method, context, handle.protocol, CallKind::Connected).await.map(Ok)
    });
    opening.await.unwrap_or_else(|error| {
        failures::report(&engine, &handle, HubPart::Connected, &error);
        let text = failures::wire_text(&engine, CLOSED_WITH_ERROR, &error);
        failures::discard(&engine, &handle, HubPart::Connected, error);
        Err(CloseReason::Rejected(text))
    })
}

/// Whether a connection is open as soon as it is in the index, which saves it a future.
fn has_nothing_to_await(engine: &Engine, handle: &ConnectionHandle) -> bool {
    engine.definition.on_connected.is_none()
        && engine.definition.filters.is_empty()
        && engine.context.backplane.is_none()
        && engine.context.registry.is_none()
        && handle.principal.user_id().is_none()
}

/// Closes a connection that came into the index after a shutdown had closed all that were in it.
fn close_if_shutting_down(engine: &Engine, handle: &ConnectionHandle) {
    if engine.context.shutdown.is_cancelled() {
        handle.close(CloseReason::Shutdown);
    }
}

#[cfg(test)]
mod tests;
