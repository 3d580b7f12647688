//! Client results: an invocation of a client's method is sent with an id and answered by a completion, whichever
//! node the client is connected to.

use std::sync::Arc;

use hubward_backplane::{Body, ClientResultOutcome, Frames, Topic};
use hubward_hub::{BoxFuture, ClientResultError, EncodeCall, RawClientResult, SendError};
use hubward_proto::{EncodeError, Frame, Protocol};
use hubward_types::{ConnectionId, NodeId};
use scopeguard::{ScopeGuard, guard};

use crate::cluster::pending::Settled;
use crate::connection::handle::{ConnectionHandle, Reply};
use crate::context::backplane_failed;
use crate::delivery::encoded::ReceivedFrames;
use crate::engine::Engine;

/// Invokes a method of a client of any node.
pub(crate) fn invoke(
    engine: &Arc<Engine>,
    connection: &ConnectionId,
    call: &dyn EncodeCall,
) -> BoxFuture<'static, Result<RawClientResult, ClientResultError>> {
    let invocation_id = engine.next_invocation_id();
    if let Some(local) = engine.index.connection(connection) {
        return match call.encode(local.protocol, Some(&invocation_id)) {
            Ok(frame) => Box::pin(invoke_local(local, invocation_id, frame)),
            Err(source) => not_encoded(call, source),
        };
    }
    let name = connection.to_string();
    if engine.context.other_nodes().is_none() {
        return Box::pin(async { Err(ClientResultError::NotFound(name)) });
    }
    match encode_all(call, &invocation_id) {
        Ok(frames) => Box::pin(invoke_remote(engine.clone(), connection.clone(), invocation_id, frames)),
        Err(source) => not_encoded(call, source),
    }
}

/// Encodes for every protocol: which one the client of another node speaks is not known here.
fn encode_all(call: &dyn EncodeCall, invocation_id: &str) -> Result<Frames, EncodeError> {
    let encode = |protocol| call.encode(protocol, Some(invocation_id)).map(|frame| frame.websocket().clone());
    Ok(Frames { json: Some(encode(Protocol::Json)?), messagepack: Some(encode(Protocol::MessagePack)?) })
}

fn not_encoded(
    call: &dyn EncodeCall,
    source: EncodeError,
) -> BoxFuture<'static, Result<RawClientResult, ClientResultError>> {
    let method = call.method().to_owned();
    Box::pin(async { Err(ClientResultError::Send(SendError::Encode { method, source })) })
}

async fn invoke_local(
    connection: Arc<ConnectionHandle>,
    invocation_id: String,
    frame: Frame,
) -> Result<RawClientResult, ClientResultError> {
    match wait_for_result(&connection, invocation_id, frame).await {
        None => Err(ClientResultError::Disconnected(connection.id.to_string())),
        Some(Reply::Value(protocol, bytes)) => Ok(RawClientResult::new(protocol, bytes)),
        Some(Reply::Void) => Ok(RawClientResult::without_result()),
        Some(Reply::Error(error)) => Err(ClientResultError::Failed(error)),
    }
}

/// Sends an invocation and waits for its completion; `None` where the connection closed first. A caller that stops
/// waiting removes its entry, so that a late completion is ignored.
async fn wait_for_result(
    connection: &ConnectionHandle,
    invocation_id: String,
    frame: Frame,
) -> Option<Reply> {
    let result = connection.expect_result(invocation_id.clone())?;
    let _forget = guard((), |()| connection.forget_result(&invocation_id));
    connection.mailbox.push(frame);
    result.await.ok()
}

async fn invoke_remote(
    engine: Arc<Engine>,
    connection: ConnectionId,
    invocation_id: String,
    frames: Frames,
) -> Result<RawClientResult, ClientResultError> {
    let name = connection.to_string();
    let context = &engine.context;
    let Some(backplane) = context.other_nodes() else { return Err(ClientResultError::NotFound(name)) };
    let found =
        context.owners.find(&context.store, engine.name(), &connection).await.map_err(backplane_failed)?;
    let Some(node) = found.filter(|node| *node != context.id) else {
        return Err(ClientResultError::NotFound(name));
    };
    let mut result = context.pending.client_results.expect(&node);
    let id = result.id;
    // A caller that stops waiting notifies the client's node, which would otherwise wait until the client disconnects.
    let cancel = guard((), |()| context.notify(node.clone(), Body::CancelInvokeClient { id }));
    let hub = engine.name().clone();
    let body = Body::InvokeClient { id, hub, connection: connection.clone(), frames, invocation_id };
    context.publish(backplane, vec![Topic::Node(node.clone())], body).await?;
    let settled = result.wait().await;
    // After a gap the client's node may still wait for its client.
    if settled != Settled::Interrupted {
        ScopeGuard::into_inner(cancel);
    }
    match settled {
        Settled::Reply(outcome) => {
            if outcome == ClientResultOutcome::NotFound {
                context.owners.forget(engine.name(), &connection);
            }
            decode(outcome, name)
        }
        Settled::Interrupted => Err(ClientResultError::Interrupted(name)),
        Settled::Gone => Err(ClientResultError::Disconnected(name)),
    }
}

fn decode(outcome: ClientResultOutcome, name: String) -> Result<RawClientResult, ClientResultError> {
    match outcome {
        ClientResultOutcome::Result { protocol, bytes } => {
            let protocol = Protocol::ALL.into_iter().find(|known| known.index() == usize::from(protocol));
            protocol
                .map(|protocol| RawClientResult::new(protocol, bytes.to_vec()))
                .ok_or(ClientResultError::Disconnected(name))
        }
        ClientResultOutcome::Void => Ok(RawClientResult::without_result()),
        ClientResultOutcome::Error(error) => Err(ClientResultError::Failed(error)),
        ClientResultOutcome::NotFound => Err(ClientResultError::NotFound(name)),
        ClientResultOutcome::Disconnected | ClientResultOutcome::Cancelled => {
            Err(ClientResultError::Disconnected(name))
        }
    }
}

/// An invocation of a client of this node, for another node.
pub(crate) struct ForwardedInvocation {
    /// The number that the waiting node gave it.
    pub(crate) id: u64,
    pub(crate) reply_to: NodeId,
    pub(crate) frames: Frames,
    pub(crate) invocation_id: String,
}

/// Invokes a client of this node for another node, and publishes the result to that node.
pub(crate) async fn invoke_forwarded(
    engine: &Engine,
    connection: Option<Arc<ConnectionHandle>>,
    forwarded: ForwardedInvocation,
) {
    let ForwardedInvocation { id, reply_to, frames, invocation_id } = forwarded;
    let frames = ReceivedFrames::new(frames);
    let found = connection.and_then(|connection| {
        let frame = frames.get(connection.protocol)?.clone();
        Some((connection, frame))
    });
    let outcome = match found {
        None => ClientResultOutcome::NotFound,
        Some((connection, frame)) => match wait_for_result(&connection, invocation_id, frame).await {
            None => ClientResultOutcome::Disconnected,
            Some(Reply::Void) => ClientResultOutcome::Void,
            Some(Reply::Error(error)) => ClientResultOutcome::Error(error),
            Some(Reply::Value(protocol, bytes)) => {
                ClientResultOutcome::Result { protocol: protocol.index() as u8, bytes: bytes.into() }
            }
        },
    };
    engine.context.notify(reply_to, Body::ClientResult { id, outcome });
}

#[cfg(test)]
mod tests;
