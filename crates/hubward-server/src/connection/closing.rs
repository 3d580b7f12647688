//! How a connection closes: the Close message where one can be sent, `on_disconnected`, and the removal of all that is
//! kept for the connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use hubward_hub::{CallKind, HubContext};
use hubward_types::ConnectionId;
use tracing::Level;

use super::ConnectionTask;
use super::close_reason::CloseReason;
use crate::invocation::lifecycle;
use crate::membership;
use hubward_types::{brief_error, brief_name};

impl ConnectionTask {
    /// Closes the transport, runs `on_disconnected` meanwhile, and then removes what is kept for the connection.
    pub(super) async fn close(mut self: Box<Self>, reason: CloseReason) {
        let row = reason.row();
        self.registration.forbid_resume();
        self.calls.cancel_all();
        self.queue_last_messages(&reason);
        self.log_close(&reason);
        let timeout = self.config.close_timeout;
        let (engine, hub, id) = (self.engine.clone(), self.hub.clone(), self.logged_id().clone());
        let (handle, connecting) = (self.handle.take(), self.connecting.take());
        let close_transport = async {
            if row.closes_transport {
                // A client that does not read its Close message in time goes without.
                let _ = tokio::time::timeout(timeout, poll_fn(|cx| self.poll_close(cx))).await;
            }
            self.pipe = None;
        };
        let disconnect = async {
            let Some(handle) = &handle else { return };
            // `on_connected` runs to its end, and `on_disconnected` only where it succeeded.
            let connected = match connecting {
                Some(connecting) => connecting.await.is_ok(),
                None => row.runs_on_disconnected,
            };
            if connected {
                let context = HubContext::new(handle.clone(), hub, 0)
                    .with_disconnect_reason(reason.disconnect_reason());
                let method = engine.definition.on_disconnected.as_ref();
                let run = lifecycle::run(&engine, method, context, handle.protocol, CallKind::Disconnected);
                if let Err(error) = run.await {
                    tracing::warn!(hub = %engine.name(), connection_id = %id, %error, "on_disconnected failed.");
                }
            }
            membership::lifecycle::disconnected(&engine, handle).await;
        };
        tokio::join!(close_transport, disconnect);
    }

    /// Queues what the client still gets, and its Close message; nothing is delivered any more.
    fn queue_last_messages(&mut self, reason: &CloseReason) {
        let row = reason.row();
        self.queue_session_output();
        if let Some(handle) = &self.handle {
            if !row.flushes_mailbox {
                self.outgoing.clear();
            } else if self.session.can_send() {
                let mut waiting = VecDeque::new();
                handle.mailbox.take(&mut waiting, &mut Vec::new(), None);
                self.outgoing.append(&mut waiting);
            }
            handle.set_closed();
        }
        if row.sends_close {
            let detailed = self.engine.definition.options.detailed_errors;
            self.session.close(reason.close_error(detailed).as_deref(), row.allow_reconnect);
        }
    }

    /// The id that logs may show. Under negotiate version 0 the public id is the connection token, so logs get another.
    fn logged_id(&self) -> &ConnectionId {
        self.registration.logged_id().unwrap_or(&self.opened.id)
    }

    fn log_close(&self, reason: &CloseReason) {
        let row = reason.row();
        let user = self.opened.principal.user_id().map(|user| user.as_str()).unwrap_or_default();
        let user = brief_name(user);
        let (hub, connection_id) = (self.engine.name(), self.logged_id());
        let transport = self.opened.request.transport.name();
        if row.log_level == Level::WARN {
            tracing::warn!(%hub, user = &*user, transport, %connection_id, reason = row.label, error = reason.disconnect_reason().error().map(brief_error).as_deref(), "A connection ended.");
        } else {
            tracing::info!(%hub, user = &*user, transport, %connection_id, reason = row.label, "A connection ended.");
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.queue_session_output();
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(()) };
        // Frames are written before the pipe closes: a closing pipe accepts none, but still writes what it holds.
        if !self.outgoing.is_empty() && ready!(pipe.poll_write(cx, &mut self.outgoing)).is_err() {
            return Poll::Ready(());
        }
        pipe.poll_close(cx)
    }
}

#[cfg(test)]
mod tests;
