//! Where the backplane delivers envelopes of other nodes: decoded, and handed to the hub that they are for.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use hubward_backplane::{Envelope, Subscriber, Topic};
use hubward_types::HubName;

use crate::cluster::remote;
use crate::context::NodeContext;
use crate::engine::Engine;

/// The hubs of a node by name.
pub(crate) type Hubs = HashMap<HubName, Arc<Engine>>;

/// Receives for the hubs of one node. It holds them weakly: the backplane, which holds this, belongs to the node.
pub(crate) struct EnvelopeReceiver {
    context: Weak<NodeContext>,
    hubs: Weak<Hubs>,
}

impl EnvelopeReceiver {
    pub(crate) fn new(context: &Arc<NodeContext>, hubs: &Arc<Hubs>) -> Self {
        Self { context: Arc::downgrade(context), hubs: Arc::downgrade(hubs) }
    }
}

impl Subscriber for EnvelopeReceiver {
    fn deliver(&self, topic: &Topic, envelope: Bytes) {
        let (Some(context), Some(hubs)) = (self.context.upgrade(), self.hubs.upgrade()) else { return };
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
        match hubs.get(hub) {
            Some(engine) => remote::receive(engine, topic, envelope),
            None => tracing::debug!(%hub, "An envelope for a hub that this node does not have was dropped."),
        }
    }
}
