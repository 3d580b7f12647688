//! Passes on to another node what comes for a connection that has moved there: messages for it alone, in the order in which they
//! came, and what is asked of it. Replies go to the node that has asked.

use std::sync::Arc;

use hubward_backplane::{Body, Envelope, Frames, Topic};
use hubward_proto::{Frame, Protocol};
use hubward_types::{ConnectionId, NodeId, TraceContext};

use super::outbox::Parcel;
use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::moving::Forward;
use crate::engine::Engine;

/// Returns what passes messages on to the node that a connection moves to, for its mailbox when that is
/// [cut](crate::connection::mailbox::Mailbox::cut).
pub(crate) fn forward(engine: &Arc<Engine>, connection: &ConnectionHandle, to: NodeId) -> Forward {
    // Weakly: the mailbox is in the engine's index.
    let engine = Arc::downgrade(engine);
    let (id, protocol) = (connection.id.clone(), connection.protocol);
    Arc::new(move |frame: Frame| {
        if let Some(engine) = engine.upgrade() {
            send(&engine, to.clone(), vec![id.clone()], frames_of(protocol, &frame), None);
        }
    })
}

/// Notes that a connection has moved to a node: whatever this node sends to it, or receives for it, goes there from now on. Its
/// mailbox has [moved](crate::connection::mailbox::Mailbox::moved) before.
pub(crate) fn note_moved(engine: &Engine, connection: &ConnectionHandle, to: &NodeId) {
    let user = connection.principal.user_id().cloned();
    engine.context.owners.note(engine.name(), &connection.id, to.clone());
    engine.moved.note(connection.id.clone(), user, to.clone());
}

/// Notes that a connection has come to this node, maybe back.
pub(crate) fn note_arrived(engine: &Engine, connection: &ConnectionId) {
    engine.context.owners.forget(engine.name(), connection);
    engine.moved.forget(connection);
}

/// Passes on a message to those of the connections that have moved. They are not known here any more: one that is passes it on by
/// its mailbox, behind what that has.
pub(super) fn forward_message(
    engine: &Arc<Engine>,
    absent: Vec<ConnectionId>,
    frames: &Frames,
    trace: Option<&TraceContext>,
) {
    for connection in absent {
        if let Some(to) = engine.moved.node_of(&connection) {
            send(engine, to, vec![connection], frames.clone(), trace);
        }
    }
}

/// Passes on what is asked of a connection, if it has moved; gives it back otherwise.
pub(super) fn forward_request(
    engine: &Arc<Engine>,
    sender: &NodeId,
    trace: Option<&TraceContext>,
    body: Body,
) -> Option<Body> {
    let to = match &body {
        Body::InvokeClient { connection, .. }
        | Body::Abort { connection, .. }
        | Body::JoinGroup { connection, .. }
        | Body::LeaveGroup { connection, .. } => engine.moved.node_of(connection),
        _ => None,
    };
    let Some(to) = to else { return Some(body) };
    let envelope = Envelope { sender: sender.clone(), trace: trace.cloned(), number: None, body }.encode();
    publish(engine, Parcel { topics: vec![Topic::Node(to)], envelope });
    None
}

fn send(
    engine: &Engine,
    to: NodeId,
    connections: Vec<ConnectionId>,
    frames: Frames,
    trace: Option<&TraceContext>,
) {
    let body = Body::DeliverTo { hub: engine.name().clone(), connections, frames };
    let envelope = engine.context.envelope(trace, body);
    publish(engine, Parcel { topics: vec![Topic::Node(to)], envelope });
}

fn publish(engine: &Engine, parcel: Parcel) {
    if let Some(backplane) = &engine.context.backplane {
        let Parcel { topics, envelope } = parcel;
        // Not through the outbox, which may be what delivers this: a backplane in memory delivers while it publishes. It is
        // published whether or not somebody waits for it.
        drop(backplane.publish(topics, envelope));
    }
}

pub(crate) fn frames_of(protocol: Protocol, frame: &Frame) -> Frames {
    let bytes = Some(frame.websocket().clone());
    match protocol {
        Protocol::Json => Frames { json: bytes, messagepack: None },
        Protocol::MessagePack => Frames { json: None, messagepack: bytes },
    }
}

#[cfg(test)]
mod tests;
