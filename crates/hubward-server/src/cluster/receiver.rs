//! Where the backplane delivers envelopes of other nodes: decoded, and handed to the hub that they are for.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use hubward_backplane::{Envelope, Subscriber, Topic};
use hubward_types::HubName;

use crate::cluster::remote;
use crate::context::NodeContext;
use crate::engine::Engine;

/// Receives for the hubs of one node. It holds each of them weakly, since the backplane, which holds this, belongs to the
/// node. A hub receives for as long as anything can reach it: its node, a mounted path, a handle, or a connection.
pub(crate) struct EnvelopeReceiver {
    context: Weak<NodeContext>,
    hubs: HashMap<HubName, Weak<Engine>>,
}

impl EnvelopeReceiver {
    pub(crate) fn new<'a>(
        context: &Arc<NodeContext>,
        hubs: impl IntoIterator<Item = &'a Arc<Engine>>,
    ) -> Self {
        let weak = |engine: &Arc<Engine>| (engine.name().clone(), Arc::downgrade(engine));
        Self { context: Arc::downgrade(context), hubs: hubs.into_iter().map(weak).collect() }
    }
}

impl Subscriber for EnvelopeReceiver {
    fn deliver(&self, topic: &Topic, envelope: Bytes) {
        let Some(context) = self.context.upgrade() else { return };
        let envelope = match Envelope::decode(&envelope) {
            Ok(envelope) => envelope,
            Err(error) if error.is_from_a_later_version() => {
                tracing::debug!(%error, "An envelope of a later version was skipped.");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "An envelope could not be decoded and was dropped.");
                return;
            }
        };
        if envelope.sender == context.id {
            return;
        }
        let Some(hub) = topic.hub() else { return context.pending.resolve(envelope.body) };
        match self.hubs.get(hub).and_then(Weak::upgrade) {
            Some(engine) => remote::receive(&engine, topic, envelope),
            None => tracing::debug!(%hub, "An envelope for a hub that this node does not have was dropped."),
        }
    }
}

#[cfg(test)]
mod tests;
