//! Client results: an invocation of a client's method is sent with an id and answered by a completion, whichever
//! node the client is connected to.

use std::sync::Arc;

use hubward_backplane::{Body, ClientResultOutcome, Frames, Topic};
use hubward_hub::{BoxFuture, ClientResultError, EncodeCall, RawClientResult, SendError};
use hubward_proto::{Frame, Protocol};
use hubward_types::{ConnectionId, NodeId, TraceContext};
use scopeguard::{ScopeGuard, guard};
use tokio::time::timeout;

use crate::cluster::pending::Settled;
use crate::connection::client_reply::{NotExpected, Reply};
use crate::connection::handle::ConnectionHandle;
use crate::context::backplane_failed;
use crate::engine::Engine;
use crate::invocation::suspended::SuspendedCall;

/// Invokes a method of a client of any node. `caller` is the connection and the call that waits for the result, if any.
pub(crate) fn invoke(
    engine: &Arc<Engine>,
    connection: &ConnectionId,
    call: &dyn EncodeCall,
    caller: Option<(&ConnectionId, u64)>,
    trace: Option<TraceContext>,
) -> BoxFuture<'static, Result<RawClientResult, ClientResultError>> {
    let invocation = match encode(engine, connection, call, trace) {
        Ok(invocation) => invocation,
        Err(error) => return Box::pin(async { Err(error) }),
    };
    let caller = caller.and_then(|(caller, call)| Some((engine.index.connection(caller)?, call)));
    Box::pin(wait(engine.clone(), connection.clone(), caller, invocation))
}

/// An invocation of a client, encoded.
struct Invocation {
    id: String,
    to: Recipient,
    trace: Option<TraceContext>,
}

enum Recipient {
    Local(Arc<ConnectionHandle>, Frame),
    /// Of another node: which protocol the client speaks is not known here.
    Remote(Frames),
}

fn encode(
    engine: &Engine,
    connection: &ConnectionId,
    call: &dyn EncodeCall,
    trace: Option<TraceContext>,
) -> Result<Invocation, ClientResultError> {
    let id = engine.next_invocation_id();
    let encode = |protocol| {
        call.encode(protocol, Some(&id)).map_err(|source| {
            let method = call.method().to_owned();
            ClientResultError::Send(SendError::Encode { method, source })
        })
    };
    let to = match engine.index.connection(connection) {
        Some(local) => {
            let frame = encode(local.protocol)?;
            Recipient::Local(local, frame)
        }
        None if engine.context.other_nodes().is_none() => {
            return Err(ClientResultError::NotFound(connection.to_string()));
        }
        None => {
            let bytes = |protocol| encode(protocol).map(|frame| Some(frame.websocket().clone()));
            Recipient::Remote(Frames {
                json: bytes(Protocol::Json)?,
                messagepack: bytes(Protocol::MessagePack)?,
            })
        }
    };
    Ok(Invocation { id, to, trace })
}

/// Sends an invocation and waits for its result, within the hub's timeout. The call that waits has no permit meanwhile.
async fn wait(
    engine: Arc<Engine>,
    connection: ConnectionId,
    caller: Option<(Arc<ConnectionHandle>, u64)>,
    invocation: Invocation,
) -> Result<RawClientResult, ClientResultError> {
    let options = &engine.definition.options;
    let suspended = match caller {
        None => None,
        Some((caller, call)) => {
            let suspended = SuspendedCall::new(caller, call, options.client_results_per_connection);
            Some(suspended.ok_or_else(|| ClientResultError::TooMany(connection.to_string()))?)
        }
    };
    let Invocation { id, to, trace } = invocation;
    let result = async {
        match to {
            Recipient::Local(local, frame) => {
                decode(wait_for_result(&engine, &local, id, frame).await, connection.to_string())
            }
            Recipient::Remote(frames) => {
                invoke_remote(&engine, &connection, id, frames, trace.as_ref()).await
            }
        }
    };
    let result = timeout(options.client_result_timeout, result).await;
    if let Some(suspended) = suspended {
        suspended.resume().await;
    }
    result.unwrap_or_else(|_| Err(ClientResultError::TimedOut(connection.to_string())))
}

/// Sends an invocation to a client of this node and waits for its completion. A caller that stops waiting removes its
/// entry, so that a late completion is ignored.
async fn wait_for_result(
    engine: &Engine,
    connection: &ConnectionHandle,
    invocation_id: String,
    frame: Frame,
) -> ClientResultOutcome {
    let limit = engine.definition.options.client_results_per_connection;
    let result = match connection.expect_result(invocation_id.clone(), limit) {
        Ok(result) => result,
        Err(NotExpected::Gone) => return ClientResultOutcome::Disconnected,
        Err(NotExpected::TooMany) => return ClientResultOutcome::TooMany,
    };
    let _forget = guard((), |()| connection.forget_result(&invocation_id));
    connection.mailbox.push(frame);
    match result.await {
        Err(_) => ClientResultOutcome::Disconnected,
        Ok(Reply::Void) => ClientResultOutcome::Void,
        Ok(Reply::Error(error)) => ClientResultOutcome::Error(error),
        Ok(Reply::Value(protocol, bytes)) => {
            ClientResultOutcome::Result { protocol: protocol.index() as u8, bytes: bytes.into() }
        }
    }
}

async fn invoke_remote(
    engine: &Engine,
    connection: &ConnectionId,
    invocation_id: String,
    frames: Frames,
    trace: Option<&TraceContext>,
) -> Result<RawClientResult, ClientResultError> {
    let name = connection.to_string();
    let context = &engine.context;
    let Some(backplane) = context.other_nodes() else { return Err(ClientResultError::NotFound(name)) };
    let found =
        context.owners.find(&context.store, engine.name(), connection).await.map_err(backplane_failed)?;
    let Some(node) = found.filter(|node| *node != context.id) else {
        return Err(ClientResultError::NotFound(name));
    };
    let mut result = context.pending.client_results.expect(&node);
    let id = result.id;
    // A caller that stops waiting notifies the client's node, which would otherwise wait until the client disconnects.
    let cancel = guard((), |()| context.notify(node.clone(), Body::CancelInvokeClient { id }));
    let hub = engine.name().clone();
    let body = Body::InvokeClient { id, hub, connection: connection.clone(), frames, invocation_id };
    context.publish(backplane, vec![Topic::Node(node.clone())], trace, body).await?;
    let settled = result.wait().await;
    // After a gap the client's node may still wait for its client.
    if settled != Settled::Interrupted {
        ScopeGuard::into_inner(cancel);
    }
    match settled {
        Settled::Reply(outcome) => {
            if outcome == ClientResultOutcome::NotFound {
                context.owners.forget(engine.name(), connection);
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
                .map(|protocol| RawClientResult::new(protocol, bytes.into()))
                .ok_or(ClientResultError::Disconnected(name))
        }
        ClientResultOutcome::Void => Ok(RawClientResult::without_result()),
        ClientResultOutcome::Error(error) => Err(ClientResultError::Failed(error)),
        ClientResultOutcome::NotFound => Err(ClientResultError::NotFound(name)),
        ClientResultOutcome::Disconnected => Err(ClientResultError::Disconnected(name)),
        ClientResultOutcome::TooMany => Err(ClientResultError::TooMany(name)),
        ClientResultOutcome::TimedOut => Err(ClientResultError::TimedOut(name)),
    }
}

/// An invocation of a client of this node, for another node.
pub(crate) struct ForwardedInvocation {
    /// The number that the waiting node gave it.
    pub(crate) id: u64,
    pub(crate) reply_to: NodeId,
    /// Absent where this node no longer has the connection.
    pub(crate) client: Option<(Arc<ConnectionHandle>, Frame)>,
    pub(crate) invocation_id: String,
}

/// Invokes a client of this node for another node, and publishes the result to that node.
pub(crate) async fn invoke_forwarded(engine: &Engine, forwarded: ForwardedInvocation) {
    let ForwardedInvocation { id, reply_to, client, invocation_id } = forwarded;
    // The node that waits may be gone, and then cancels nothing.
    let limit = engine.definition.options.client_result_timeout;
    let outcome = match client {
        None => ClientResultOutcome::NotFound,
        Some((connection, frame)) => {
            let result = wait_for_result(engine, &connection, invocation_id, frame);
            timeout(limit, result).await.unwrap_or(ClientResultOutcome::TimedOut)
        }
    };
    engine.context.notify(reply_to, Body::ClientResult { id, outcome });
}

#[cfg(test)]
mod tests;
