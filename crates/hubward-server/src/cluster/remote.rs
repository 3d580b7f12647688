//! What other nodes publish for a hub: messages to deliver, client invocations, and changes of membership.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{Body, Envelope, Topic};
use hubward_types::{GroupName, NodeId};

use crate::cluster::client_results::{self, ForwardedInvocation};
use crate::connection::close_reason::CloseReason;
use crate::delivery::router;
use crate::engine::Engine;
use crate::membership;
use crate::membership::connection::Change;

/// Handles an envelope. It does not block; what takes time is spawned on the node's tracker.
pub(crate) fn receive(engine: &Arc<Engine>, topic: &Topic, envelope: Envelope) {
    let sender = envelope.sender;
    match envelope.body {
        Body::Deliver { frames, except } => router::deliver_received(engine, topic, frames, &except),
        Body::Abort {} => {
            router::for_topic(engine, topic, |connection| connection.close(CloseReason::Aborted));
        }
        Body::InvokeClient { id, reply_to, frames, invocation_id } => {
            let forwarded = ForwardedInvocation { id, reply_to, frames, invocation_id };
            invoke_client(engine, topic, sender, forwarded);
        }
        Body::CancelInvokeClient { id } => engine.forwarded.cancel(&(sender, id)),
        Body::JoinGroup { id, reply_to, group } => {
            change_membership(engine, topic, Confirmation { id, reply_to }, group, Change::Join);
        }
        Body::LeaveGroup { id, reply_to, group } => {
            change_membership(engine, topic, Confirmation { id, reply_to }, group, Change::Leave);
        }
        Body::UserJoined { group, ttl_ms } => {
            let Topic::User(_, user) = topic.clone() else { return };
            let (engine, ttl) = (engine.clone(), ttl_ms.map(Duration::from_millis));
            let tasks = engine.context.tasks.clone();
            tasks.spawn(membership::user::joined(engine, user, group, ttl));
        }
        Body::UserLeft { group } => {
            let Topic::User(_, user) = topic.clone() else { return };
            let engine = engine.clone();
            let tasks = engine.context.tasks.clone();
            tasks.spawn(async move { membership::user::left(&engine, &user, &group).await });
        }
        Body::ClientResult { .. } | Body::MembershipConfirmed { .. } => {
            tracing::debug!("A reply was published to a hub instead of a node and was dropped.");
        }
    }
}

fn invoke_client(engine: &Arc<Engine>, topic: &Topic, sender: NodeId, invocation: ForwardedInvocation) {
    let connection = router::connection_of(engine, topic);
    let forwarded_id = (sender, invocation.id);
    engine.forwarded.register(forwarded_id.clone(), invocation.invocation_id.clone(), connection.as_ref());
    let engine = engine.clone();
    let tasks = engine.context.tasks.clone();
    tasks.spawn(async move {
        client_results::invoke_forwarded(&engine, connection, invocation).await;
        engine.forwarded.remove(&forwarded_id);
    });
}

/// Where a change of membership is confirmed.
struct Confirmation {
    id: u64,
    reply_to: NodeId,
}

fn change_membership(
    engine: &Arc<Engine>,
    topic: &Topic,
    confirmation: Confirmation,
    group: GroupName,
    change: Change,
) {
    let (engine, connection) = (engine.clone(), router::connection_of(engine, topic));
    let tasks = engine.context.tasks.clone();
    tasks.spawn(async move {
        let changed = match connection {
            Some(connection) => membership::connection::change_local(&engine, &connection, &group, change).await,
            None => Ok(()),
        };
        let error = changed.err().map(|error| error.to_string());
        let context = &engine.context;
        let Some(backplane) = &context.backplane else { return };
        let Confirmation { id, reply_to } = confirmation;
        let envelope = context.envelope(Body::MembershipConfirmed { id, error });
        if let Err(error) = backplane.publish(&Topic::Node(reply_to), envelope).await {
            tracing::warn!(%error, "A change of membership could not be confirmed to the node that requested it.");
        }
    });
}

#[cfg(test)]
mod tests;
