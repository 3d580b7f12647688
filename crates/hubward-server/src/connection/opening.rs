//! From the handshake to the first call: the connection can be reached, and the hub is told.

use std::sync::Arc;
use std::task::{Context, Poll};

use hubward_hub::{CallKind, HubContext};
use hubward_proto::Protocol;

use super::{Opened, Task};
use crate::cluster::membership;
use crate::connection::close_reason::CloseReason;
use crate::connection::handle::Link;
use crate::connection::mailbox::Mailbox;
use crate::hub::Engine;
use crate::invocation::lifecycle;

impl Task {
    pub(super) fn poll_connecting(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(connecting) = &mut self.connecting else { return Ok(false) };
        let Poll::Ready(connected) = connecting.as_mut().poll(cx) else { return Ok(false) };
        self.connecting = None;
        if let Err(error) = connected {
            let detailed = self.engine.definition.options.detailed_errors;
            return Err(CloseReason::Refused(error.wire_text("Connection closed with an error.", detailed)));
        }
        if let Some(link) = &self.link {
            link.start_reading();
        }
        Ok(true)
    }

    /// The handshake is done: the connection can be reached, and the hub is told.
    pub(super) fn connect(&mut self, protocol: Protocol) {
        let Opened { id, principal, request, transport } = &*self.opened;
        let link = Arc::new(Link::new(
            self.engine.node.next_key(),
            id.clone(),
            principal.clone(),
            protocol,
            request.clone(),
            *transport,
            Mailbox::new(self.engine.mailbox_limits()),
        ));
        self.link = Some(link.clone());
        if !self.session.is_stateful() {
            self.registration.forbid_resume();
        }
        let (engine, hub) = (self.engine.clone(), self.hub.clone());
        if engine.definition.on_connected.is_none()
            && engine.definition.filters.is_empty()
            && engine.node.backplane.is_none()
            && link.principal.user().is_none()
        {
            engine.index.add(&link);
            leave_with_the_node(&engine, &link);
            link.start_reading();
            return;
        }
        self.connecting = Some(Box::pin(async move {
            // Delivered for from now on: a client may receive before `on_connected` is done.
            engine.index.add(&link);
            leave_with_the_node(&engine, &link);
            membership::connected(&engine, &link).await?;
            let context = HubContext::new(link.clone(), hub, 0);
            let method = engine.definition.on_connected.as_ref();
            lifecycle::run(&engine, method, context, link.protocol, CallKind::Connected).await
        }));
    }
}

/// Whoever came into the index after the node began to leave was passed over by its goodbye.
fn leave_with_the_node(engine: &Engine, link: &Link) {
    if engine.node.shutdown.is_cancelled() {
        link.close(CloseReason::Shutdown);
    }
}
