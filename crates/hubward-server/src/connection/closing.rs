//! The end: a goodbye as far as that is possible, word to the hub, and nothing left behind.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use hubward_hub::{CallKind, HubContext};
use hubward_types::ConnectionId;

use super::Task;
use crate::cluster::membership;
use crate::connection::close_reason::{CloseReason, Loudness};
use crate::invocation::lifecycle;

impl Task {
    /// Says goodbye, and meanwhile tells the hub; then lets go of everything.
    pub(super) async fn finish(mut self: Box<Self>, reason: CloseReason) {
        self.registration.forbid_resume();
        self.calls.end();
        self.prepare_goodbye(&reason);
        self.log_end(&reason);
        let patience = self.engine.definition.options.close_timeout;
        let (engine, hub, id) = (self.engine.clone(), self.hub.clone(), self.logged_id().clone());
        let (link, connecting) = (self.link.take(), self.connecting.take());
        let refused = matches!(reason, CloseReason::Refused(_));
        let goodbye = async {
            if !matches!(reason, CloseReason::TransportLost | CloseReason::SendTimeout) {
                // A client that does not take its goodbye in time goes without.
                let _ =
                    tokio::time::timeout(patience, std::future::poll_fn(|cx| self.poll_goodbye(cx))).await;
            }
            self.pipe = None;
        };
        let tell_the_hub = async {
            let Some(link) = &link else { return };
            // What the hub began on connecting it also ends, and only who has connected disconnects.
            let connected = match connecting {
                Some(connecting) => connecting.await.is_ok(),
                None => !refused,
            };
            if connected {
                let context = HubContext::new(link.clone(), hub, 0).with_end(reason.error());
                let method = engine.definition.on_disconnected.as_ref();
                let told =
                    lifecycle::run(&engine, method, context, link.protocol, CallKind::Disconnected).await;
                if let Err(error) = told {
                    tracing::warn!(hub = %engine.name(), connection_id = %id, %error, "on_disconnected failed.");
                }
            }
            membership::ended(&engine, link).await;
        };
        tokio::join!(goodbye, tell_the_hub);
    }

    /// Queues what the client still gets, and its Close message; nothing more is delivered.
    fn prepare_goodbye(&mut self, reason: &CloseReason) {
        self.queue_session_output();
        if let Some(link) = &self.link {
            if matches!(reason, CloseReason::SlowConsumer) {
                // What it did not read until now it will not read in its last seconds.
                self.outgoing.clear();
            } else if self.session.can_send() {
                let mut waiting = VecDeque::new();
                link.mailbox.take(&mut waiting, &mut Vec::new(), None);
                self.outgoing.append(&mut waiting);
            }
            link.end();
        }
        let row = reason.row();
        if row.says_goodbye {
            let detailed = self.engine.definition.options.detailed_errors;
            self.session.close(reason.wire_error(detailed).as_deref(), row.allow_reconnect);
        }
    }

    /// The id that logs may say: where negotiate's version 0 makes the public id a secret, it is another.
    fn logged_id(&self) -> &ConnectionId {
        self.registration.logged_id().unwrap_or(&self.opened.id)
    }

    fn log_end(&self, reason: &CloseReason) {
        let row = reason.row();
        let user = self.opened.principal.user().map(|user| user.as_str()).unwrap_or_default();
        let (hub, connection_id) = (self.engine.name(), self.logged_id());
        let transport = self.opened.transport.name();
        match row.loudness {
            Loudness::Info => {
                tracing::info!(%hub, user, transport, %connection_id, reason = row.label, "A connection ended.");
            }
            Loudness::Warn => {
                tracing::warn!(%hub, user, transport, %connection_id, reason = row.label, error = reason.error(), "A connection ended.");
            }
        }
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.queue_session_output();
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(()) };
        // Once it is closing a pipe takes nothing more, and there is nothing more; what it still has it hands over.
        if !self.outgoing.is_empty() && ready!(pipe.poll_write(cx, &mut self.outgoing)).is_err() {
            return Poll::Ready(());
        }
        pipe.poll_close(cx, 1000)
    }
}
