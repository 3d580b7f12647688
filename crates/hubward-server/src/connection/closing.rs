//! How a connection closes: the Close message where one can be sent, `on_disconnected`, and the removal of all that is
//! kept for the connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hubward_hub::{BoxFuture, CallKind, HubContext, HubEngine, HubError};
use hubward_transport::Lines;
use hubward_types::{ConnectionId, brief_causes, brief_error, brief_name};
use tracing::Level;

use super::ConnectionTask;
use super::close_reason::{CloseReason, CloseRow};
use super::finishing::Finishing;
use super::handle::ConnectionHandle;
use crate::engine::Engine;
use crate::invocation::failures::{self, HubPart};
use crate::invocation::{lifecycle, panics};
use crate::membership;

/// What closing needs once the connection's task is busy with the transport.
struct Disconnecting {
    engine: Arc<Engine>,
    hub: Arc<dyn HubEngine>,
    handle: Arc<ConnectionHandle>,
    /// `on_connected` or `on_resumed`, where it still runs.
    connecting: Option<BoxFuture<'static, Result<(), CloseReason>>>,
}

impl ConnectionTask {
    /// Notes what is waited for.
    pub(super) fn finish(&mut self, finishing: Finishing) {
        self.finishing = self.finishing.max(finishing);
        // It has not begun. Its arguments are values of the hub's own types.
        let waiting = self.waiting_call.take();
        if let Err(panic) = panics::catch(|| drop(waiting)) {
            self.report_panic(&panic);
        }
    }

    /// Closes the connection where what it waits for has ended. What the calls have sent is in the mailbox by then, and is
    /// written before the Close message.
    pub(super) fn check_finished(&mut self) -> Result<(), CloseReason> {
        if self.finishing == Finishing::No || self.connecting.is_some() || !self.calls.permits.is_idle() {
            return Ok(());
        }
        let streams = self.handle.as_ref().map_or(0, |handle| handle.await_streams());
        if streams > 0 && self.finishing == Finishing::Calls {
            return Ok(());
        }
        Err(CloseReason::Shutdown)
    }

    /// Closes the transport, runs `on_disconnected` meanwhile, and then removes what is kept for the connection. Each of
    /// these happens whatever becomes of the others.
    pub(super) async fn close(mut self: Box<Self>, reason: CloseReason) {
        let prepared = panics::catch(|| self.prepare_close(&reason));
        self.report_caught(prepared);
        let handle = self.handle.take();
        if let Some(handle) = &handle {
            let closed = panics::catch(|| handle.set_closed());
            self.report_caught(closed);
        }
        let (engine, hub) = (self.engine.clone(), self.hub.clone());
        let connecting = self.connecting.take();
        let disconnecting = handle.map(|handle| Disconnecting { engine, hub, handle, connecting });
        let close_transport = async {
            let closed = panics::catch_panic(self.close_transport(&reason)).await;
            self.report_caught(closed);
            self.pipe = None;
        };
        let disconnect = async {
            if let Some(disconnecting) = disconnecting {
                disconnecting.run(&reason).await;
            }
        };
        tokio::join!(close_transport, disconnect);
    }

    /// Ends the connection on this node, because another one has it: its client resumes it there. Its place is marked first,
    /// so that a client which comes back at once is led to the other node.
    pub(super) async fn leave(mut self: Box<Self>, reason: CloseReason, is_aborted: bool) {
        let left = panics::catch(|| {
            self.registration.moved();
            self.log_close(&reason);
            self.calls.cancel_all();
        });
        self.report_caught(left);
        let Self { engine, hub, handle, registration, pipe, .. } = *self;
        drop(registration);
        drop(pipe);
        let Some(handle) = handle else { return };
        handle.set_closed();
        let removed = async {
            membership::lifecycle::moved(&engine, &handle).await;
            Ok(())
        };
        if let Err(error) = panics::catch_panic(removed).await {
            failures::report(&engine, &handle, HubPart::Other, &error);
        }
        if is_aborted {
            // For whoever aborted it, it is aborted.
            let aborted = hub.abort(&handle.id).await;
            if let Err(error) = aborted {
                let connection_id = handle.logged_id();
                tracing::warn!(hub = %engine.name(), %connection_id, error = %brief_causes(&error), "A connection that was aborted while it moved to another node may go on there.");
            }
        }
    }

    fn prepare_close(&mut self, reason: &CloseReason) {
        self.registration.forbid_resume();
        self.queue_last_messages(reason);
        self.log_close(reason);
        self.calls.cancel_all();
        // Its arguments are values of the hub's own types.
        self.waiting_call = None;
    }

    async fn close_transport(&mut self, reason: &CloseReason) -> Result<(), HubError> {
        if reason.row().closes_transport {
            let timeout = self.config.close_timeout;
            // A client that does not read its Close message in time goes without.
            let _ = tokio::time::timeout(timeout, poll_fn(|cx| self.poll_close(cx))).await;
        }
        Ok(())
    }

    fn report_caught(&self, outcome: Result<(), HubError>) {
        if let Err(panic) = outcome {
            self.report_panic(&panic);
        }
    }

    /// Logs a panic that is not the failure of one call.
    pub(super) fn report_panic(&self, panic: &HubError) {
        let (hub, connection_id) = (self.engine.name(), self.logged_id());
        let panic = panics::message(panic);
        tracing::error!(%hub, %connection_id, panic, "The task of a connection panicked.");
    }

    /// Queues what the client still gets, and its Close message; nothing is delivered any more.
    fn queue_last_messages(&mut self, reason: &CloseReason) {
        let row = reason.row();
        self.stop_moving();
        self.queue_session_output();
        if let Some(handle) = &self.handle {
            if !row.flushes_mailbox {
                self.outgoing.clear();
            } else if self.session.can_send() {
                let mut waiting = VecDeque::new();
                handle.mailbox.take(usize::MAX, &mut waiting, &mut Vec::new(), None);
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
    pub(super) fn logged_id(&self) -> &ConnectionId {
        self.registration.logged_id().unwrap_or(&self.opened.id)
    }

    fn log_close(&self, reason: &CloseReason) {
        let row = reason.row();
        if !self.may_log_close(row) {
            return;
        }
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

    /// Whether one more end for this reason is logged by itself. A client may open and end connections as fast as it can:
    /// of such a flood there is only the number.
    fn may_log_close(&self, CloseRow { label: reason, log_level, .. }: CloseRow) -> bool {
        let hub = self.engine.name().clone();
        let is_warning = log_level == Level::WARN;
        let most = if is_warning { Lines::Few } else { Lines::Many };
        self.engine.ends.allows(reason, most, move |ended| {
            if is_warning {
                tracing::warn!(%hub, reason, ended, "More connections ended.");
            } else {
                tracing::info!(%hub, reason, ended, "More connections ended.");
            }
        })
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

impl Disconnecting {
    async fn run(self, reason: &CloseReason) {
        let Self { engine, hub, handle, connecting } = self;
        let called = async {
            call_hub(&engine, hub, &handle, connecting, reason).await;
            Ok(())
        };
        if let Err(panic) = panics::catch_panic(called).await {
            failures::report(&engine, &handle, HubPart::Disconnected, &panic);
        }
        let removed = async {
            membership::lifecycle::disconnected(&engine, &handle).await;
            Ok(())
        };
        if let Err(error) = panics::catch_panic(removed).await {
            failures::report(&engine, &handle, HubPart::Other, &error);
        }
    }
}

/// Runs `on_connected` or `on_resumed` to its end, and `on_disconnected` only where `on_connected` succeeded.
async fn call_hub(
    engine: &Arc<Engine>,
    hub: Arc<dyn HubEngine>,
    handle: &Arc<ConnectionHandle>,
    connecting: Option<BoxFuture<'static, Result<(), CloseReason>>>,
    reason: &CloseReason,
) {
    let was_open = handle.is_open();
    let connected = match connecting {
        Some(running) => running.await.is_ok() || was_open,
        None => reason.row().runs_on_disconnected,
    };
    if !connected {
        return;
    }
    let context = HubContext::new(handle.clone(), hub, 0).with_disconnect_reason(reason.disconnect_reason());
    let method = engine.definition.on_disconnected.as_ref();
    let run = lifecycle::run(engine, method, context, handle.protocol, CallKind::Disconnected);
    if let Err(error) = run.await {
        failures::report(engine, handle, HubPart::Disconnected, &error);
        failures::discard(engine, handle, HubPart::Disconnected, error);
    }
}

#[cfg(test)]
mod tests;
