//! What other nodes ask of this one: messages to deliver to its connections, client invocations, aborts, and changes of
//! membership.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures_util::FutureExt;
use hubward_backplane::{Body, ClientResultOutcome, RequestFailure};
use hubward_hub::{GroupError, SendError, UserError};
use hubward_types::{ConnectionId, HubName, NodeId, TraceContext, brief_name};
use tracing::{Instrument, Span};

use crate::cluster::client_results::{self, ForwardedInvocation};
use crate::cluster::disconnecting;
use crate::cluster::forwarding;
use crate::cluster::held::{ReceivedFor, ReceivedMessage};
use crate::cluster::holding;
use crate::cluster::requests::{RequestError, UNCONFIRMED, request};
use crate::connection::close_reason::CloseReason;
use crate::context::{NodeContext, backplane_failed, not_sent};
use crate::delivery::encoded::ReceivedFrames;
use crate::engine::Engine;
use crate::membership;
use crate::membership::connection::Change;

/// A request of another node.
pub(crate) struct ReceivedRequest {
    pub(crate) sender: NodeId,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) body: Body,
    /// The size of its envelope.
    pub(crate) envelope_bytes: usize,
}

/// Returns the hub that a request is about.
pub(crate) fn hub_of(request: &Body) -> Option<&HubName> {
    match request {
        Body::DeliverTo { hub, .. }
        | Body::InvokeClient { hub, .. }
        | Body::Abort { hub, .. }
        | Body::JoinGroup { hub, .. }
        | Body::LeaveGroup { hub, .. }
        | Body::UserChanged { hub, .. }
        | Body::UserBanned { hub, .. }
        | Body::DisconnectUser { hub, .. } => Some(hub),
        Body::Deliver { .. }
        | Body::ClientResult { .. }
        | Body::CancelInvokeClient { .. }
        | Body::Confirmed { .. }
        | Body::Resumed
        | Body::ConfirmLink { .. }
        | Body::Marker { .. } => None,
    }
}

/// Handles a request. It does not block; what takes time is spawned on the node's tracker.
pub(crate) fn receive(engine: &Arc<Engine>, request: ReceivedRequest) {
    let ReceivedRequest { sender, trace, body, envelope_bytes } = request;
    let body = match body {
        Body::DeliverTo { connections, frames, .. } => {
            let recipients = ReceivedFor::Connections(connections);
            let message = ReceivedMessage { recipients, frames, trace, envelope_bytes };
            return holding::deliver_or_hold(engine, message);
        }
        body => match forwarding::forward_request(engine, &sender, trace.as_ref(), body) {
            Some(body) => body,
            None => return,
        },
    };
    let span = trace.map_or_else(Span::none, |trace| request_span(engine, &sender, &trace));
    span.in_scope(|| carry_out(engine, sender, body, envelope_bytes));
}

/// What a request of a trace causes here is logged as a part of that.
fn request_span(engine: &Engine, sender: &NodeId, trace: &TraceContext) -> Span {
    let (hub, sender) = (engine.name(), brief_name(sender.as_str()));
    let (trace_id, parent_id) = (trace.trace_id(), trace.parent_id());
    tracing::trace!(%hub, %sender, %trace_id, %parent_id, "A request of another node is carried out.");
    tracing::debug_span!("node_request", %hub, %sender, %trace_id, %parent_id)
}

fn carry_out(engine: &Arc<Engine>, sender: NodeId, request: Body, envelope_bytes: usize) {
    match request {
        Body::Abort { id, connection, .. } => {
            if let Some(connection) = engine.index.connection(&connection) {
                connection.close(CloseReason::Aborted);
            }
            engine.context.notify(sender, Body::Confirmed { id, failure: None });
        }
        Body::InvokeClient { id, connection, frames, invocation_id, .. } => {
            // The frame is taken out here: what waits for the client holds no envelope.
            let frames = ReceivedFrames::new(frames, envelope_bytes);
            let client = engine.index.connection(&connection).and_then(|connection| {
                let frame = frames.get(connection.protocol)?.clone();
                Some((connection, frame))
            });
            invoke_client(engine, ForwardedInvocation { id, reply_to: sender, client, invocation_id });
        }
        Body::JoinGroup { id, connection, group, .. } => {
            let change = membership::connection::change_here(engine, &connection, group, Change::Join);
            confirm_when_done(engine, sender, id, change);
        }
        Body::LeaveGroup { id, connection, group, .. } => {
            let change = membership::connection::change_here(engine, &connection, group, Change::Leave);
            confirm_when_done(engine, sender, id, change);
        }
        Body::UserChanged { id, user, group, .. } => {
            let engine_of_change = engine.clone();
            let change = async move { membership::user::apply(&engine_of_change, &user, &group).await };
            confirm_when_done(engine, sender, id, change);
        }
        Body::UserBanned { id, user, group, .. } => {
            let engine_of_ban = engine.clone();
            let ban = async move { membership::user::apply_ban(&engine_of_ban, &user, &group).await };
            confirm_when_done(engine, sender, id, ban);
        }
        Body::DisconnectUser { id, user, .. } => {
            let ended = disconnecting::disconnect_for(engine, &sender, id, user);
            confirm_when_done(engine, sender, id, ended);
        }
        Body::Deliver { .. }
        | Body::DeliverTo { .. }
        | Body::ClientResult { .. }
        | Body::CancelInvokeClient { .. }
        | Body::Confirmed { .. }
        | Body::Resumed
        | Body::ConfirmLink { .. }
        | Body::Marker { .. } => {
            tracing::debug!("An envelope to this node is not a request and was dropped.")
        }
    }
}

/// Closes a connection of another node; returns when that is done. One that no node has is closed already.
pub(crate) async fn abort(
    engine: Arc<Engine>,
    connection: ConnectionId,
    trace: Option<TraceContext>,
) -> Result<(), SendError> {
    let (context, hub) = (&engine.context, engine.name());
    let found = context.owners.find(&context.store, hub, &connection).await.map_err(backplane_failed)?;
    let Some(node) = found.filter(|node| *node != context.id) else { return Ok(()) };
    let timeout = engine.definition.options.confirmation_timeout;
    let requested = request(context, &node, timeout, trace.as_ref(), |id| {
        let (hub, connection) = (hub.clone(), connection.clone());
        Body::Abort { id, hub, connection }
    });
    requested.await.map_err(|error| match error {
        RequestError::Backplane(error) => error,
        RequestError::Failed(RequestFailure::Error(reason)) => SendError::Backplane { reason },
        RequestError::Failed(_) => not_sent("the other node refused"),
        RequestError::NoConfirmation => not_sent("the other node did not confirm in time"),
    })
}

/// Replies to a request about a hub that this node does not have.
pub(crate) fn confirm_nothing(context: &NodeContext, sender: NodeId, request: &Body) {
    match request {
        Body::InvokeClient { id, .. } => {
            context.notify(sender, Body::ClientResult { id: *id, outcome: ClientResultOutcome::NotFound });
        }
        Body::Abort { id, .. }
        | Body::JoinGroup { id, .. }
        | Body::LeaveGroup { id, .. }
        | Body::UserChanged { id, .. }
        | Body::UserBanned { id, .. }
        | Body::DisconnectUser { id, .. } => {
            context.notify(sender, Body::Confirmed { id: *id, failure: None });
        }
        _ => {}
    }
}

fn invoke_client(engine: &Arc<Engine>, invocation: ForwardedInvocation) {
    let connection = invocation.client.as_ref().map(|(connection, _)| connection);
    let forwarded_id = (invocation.reply_to.clone(), invocation.id);
    engine.forwarded.register(forwarded_id.clone(), invocation.invocation_id.clone(), connection);
    let engine = engine.clone();
    let context = engine.context.clone();
    // So that what was sent behind it does not overtake it, and a cancellation finds what it cancels.
    begin(&context, async move {
        client_results::invoke_forwarded(&engine, invocation).await;
        engine.forwarded.remove(&forwarded_id);
    });
}

/// Carries out a change and confirms it, unless too many are carried out already. It begins at once, so that changes take their turns in the order in which they
/// were asked for, also those that their callers wait for no more.
fn confirm_when_done(
    engine: &Arc<Engine>,
    sender: NodeId,
    id: u64,
    change: impl Future<Output = Result<(), impl IntoFailure>> + Send + 'static,
) {
    let context = engine.context.clone();
    let Some(place) = engine.asked.take_place() else {
        if id != UNCONFIRMED {
            let failure = Some(RequestFailure::Error(TOO_MANY.to_owned()));
            context.notify(sender, Body::Confirmed { id, failure });
        }
        return;
    };
    let engine_of_change = engine.clone();
    begin(&engine.context, async move {
        let changed = AssertUnwindSafe(change).catch_unwind().await;
        drop(place);
        catch_up(&engine_of_change);
        let failure = match changed {
            Ok(changed) => changed.err().map(IntoFailure::into_failure),
            Err(_) => Some(RequestFailure::Error("the change panicked".to_owned())),
        };
        if id != UNCONFIRMED {
            context.notify(sender, Body::Confirmed { id, failure });
        }
    });
}

/// Has what was refused read from the store, where there is room again.
fn catch_up(engine: &Arc<Engine>) {
    if engine.asked.has_to_catch_up() {
        membership::recording::check_bans(engine);
        engine.unrecorded.wake.notify_one();
        engine.context.tasks.spawn(membership::user::read_again(engine.clone()));
    }
}

const TOO_MANY: &str = "too many changes wait on the node";

/// Errors that the node that asked for something gets.
trait IntoFailure {
    fn into_failure(self) -> RequestFailure;
}

impl IntoFailure for GroupError {
    fn into_failure(self) -> RequestFailure {
        match self {
            Self::NotAllowed { .. } => RequestFailure::NotAllowed,
            Self::Banned { .. } => RequestFailure::Banned,
            error => RequestFailure::Error(error.to_string()),
        }
    }
}

impl IntoFailure for UserError {
    fn into_failure(self) -> RequestFailure {
        RequestFailure::Error(self.to_string())
    }
}

/// Runs what was asked for: here as far as nothing has to be awaited, and then in a task. Tasks begin in any order.
fn begin(context: &NodeContext, run: impl Future<Output = ()> + Send + 'static) {
    let mut running = Box::pin(run.in_current_span());
    if Future::poll(running.as_mut(), &mut Context::from_waker(Waker::noop())).is_pending() {
        context.tasks.spawn(running);
    }
}

#[cfg(test)]
mod tests;
