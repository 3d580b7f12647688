//! Delivers messages of other nodes, or holds them: after the node was paused for so long that the others may have taken it
//! for dead, they have asked it nothing since, such as to end a membership. Until it knows, and has read what it missed, it
//! does not know who may get them.

use std::sync::Arc;

use super::forwarding;
use super::held::{ReceivedFor, ReceivedMessage};
use crate::connection::wake_batch::WakeBatch;
use crate::delivery::encoded::ReceivedFrames;
use crate::delivery::router;
use crate::engine::Engine;

/// Delivers a message behind those that came before it.
pub(crate) fn deliver_or_hold(engine: &Arc<Engine>, message: ReceivedMessage) {
    if !engine.held.is_holding() && !has_to_wait(engine) {
        return deliver(engine, message);
    }
    engine.held.push(message);
    // Also where what it waits for has come meanwhile.
    release(engine);
}

/// Delivers what waits, where it need not wait any more.
pub(crate) fn release(engine: &Arc<Engine>) {
    if !engine.held.is_holding() || has_to_wait(engine) || !engine.held.begin_taking() {
        return;
    }
    loop {
        if has_to_wait(engine) {
            return engine.held.stop_taking();
        }
        let _batch = WakeBatch::open();
        match engine.held.take() {
            Ok(messages) => messages.into_iter().for_each(|message| deliver(engine, message)),
            Err(0) => return,
            Err(missed) => {
                tracing::warn!(hub = %engine.name(), missed, "Messages of other nodes came while the node was taken for dead, and were more than it could hold.");
                return;
            }
        }
    }
}

fn has_to_wait(engine: &Engine) -> bool {
    engine.unrecorded.is_restoring() || engine.context.was_paused()
}

fn deliver(engine: &Arc<Engine>, message: ReceivedMessage) {
    let ReceivedMessage { recipients, frames, trace, envelope_bytes } = message;
    if let Some(trace) = &trace {
        let (trace_id, parent_id) = (trace.trace_id(), trace.parent_id());
        tracing::trace!(hub = %engine.name(), %trace_id, %parent_id, "A message of another node is delivered.");
    }
    let frames = ReceivedFrames::new(frames, envelope_bytes);
    match recipients {
        ReceivedFor::Topic(topic, except, source) => {
            router::deliver_received(engine, &topic, source, &frames, &except);
        }
        ReceivedFor::Connections(connections) => {
            // Only now: some may have moved while the message was held.
            let absent = router::deliver_to(engine, connections, &frames);
            forwarding::forward_message(engine, absent, &frames.into_frames(), trace.as_ref());
        }
    }
}

#[cfg(test)]
mod tests;
