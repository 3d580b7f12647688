//! Where the backplane delivers envelopes of other nodes: decoded, and handed to the hub that they are for.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use hubward_backplane::{
    BackplaneError, Body, Envelope, PublishOutcome, ReceivedEnvelope, Subscriber, Topic, UnsentEnvelope,
};
use hubward_transport::{Lines, LogLimit};
use hubward_types::{HubName, NodeId, brief_display, brief_name};

use crate::cluster::held::{ReceivedFor, ReceivedMessage};
use crate::cluster::link::NodeLinkState;
use crate::cluster::outbox::Parcel;
use crate::cluster::remote::ReceivedRequest;
use crate::cluster::{holding, outage, remote};
use crate::connection::wake_batch::WakeBatch;
use crate::context::NodeContext;
use crate::delivery::message_id::{MessageId, SenderKey, Source, TopicKey};
use crate::engine::Engine;
use crate::invocation::link_callbacks;
use crate::membership;

/// Receives for the hubs of one node. It holds each of them weakly, since the backplane, which holds this, belongs to the
/// node. A hub receives for as long as anything can reach it: its node, a mounted path, a handle, or a connection.
pub(crate) struct EnvelopeReceiver {
    context: Weak<NodeContext>,
    hubs: HashMap<HubName, Weak<Engine>>,
    /// Envelopes that cannot be decoded: whoever can publish could fill the log.
    undecodable: LogLimit<()>,
    /// Interruptions of the link: a network that flaps could fill it, too.
    interruptions: LogLimit<()>,
}

impl EnvelopeReceiver {
    pub(crate) fn new<'a>(
        context: &Arc<NodeContext>,
        hubs: impl IntoIterator<Item = &'a Arc<Engine>>,
    ) -> Self {
        let weak = |engine: &Arc<Engine>| (engine.name().clone(), Arc::downgrade(engine));
        let hubs = hubs.into_iter().map(weak).collect();
        let limit = || LogLimit::new(context.tasks.clone(), context.shutdown.clone());
        Self { context: Arc::downgrade(context), hubs, undecodable: limit(), interruptions: limit() }
    }

    /// Logs an interruption, or counts it for a line that says how many there were, and how the link is then.
    fn log_interruption(&self, context: &NodeContext, reason: &str) {
        let weak = self.context.clone();
        context.link.set_logged(false);
        let is_logged = self.interruptions.allows((), Lines::One, move |number| {
            let Some(context) = weak.upgrade() else { return };
            context.link.set_logged(true);
            let interrupted = context.link.is_interrupted();
            let discarded = context.link.take_unreported();
            tracing::warn!(
                number,
                interrupted,
                discarded,
                "The link to the other nodes was interrupted again and again; messages from other nodes may be lost."
            );
        });
        if is_logged {
            context.link.set_logged(true);
            tracing::warn!(
                reason,
                "The link to the other nodes is interrupted; messages from other nodes are missed."
            );
        }
    }

    fn engines(&self) -> impl Iterator<Item = Arc<Engine>> {
        self.hubs.values().filter_map(Weak::upgrade)
    }

    /// Whoever waits for results of this node's clients learns of the gap, too, and waits no longer.
    fn cancel_forwarded(&self, of: impl Fn(&NodeId) -> bool) {
        self.engines().for_each(|engine| engine.forwarded.cancel_all_of(&of));
    }

    fn hub(&self, name: &HubName) -> Option<Arc<Engine>> {
        let engine = self.hubs.get(name).and_then(Weak::upgrade);
        if engine.is_none() {
            tracing::debug!(
                hub = &*brief_name(name.as_str()),
                "An envelope for a hub that this node does not have was dropped."
            );
        }
        engine
    }

    /// Holds a message of a hub that was accepted and not sent; `None` where it is something else, or the hub does not hold it.
    fn hold_unsent(&self, UnsentEnvelope { topic, envelope }: UnsentEnvelope) -> Option<PublishOutcome> {
        let hub = match Envelope::decode(&envelope).map(|envelope| envelope.body) {
            Ok(Body::Deliver { .. }) => topic.hub().cloned(),
            Ok(Body::DeliverTo { hub, .. }) => Some(hub),
            // What is asked of other nodes is asked again when the link is whole.
            _ => None,
        };
        let engine = hub.and_then(|hub| self.hub(&hub))?;
        let published = engine.outbox.take_back(Parcel { topics: vec![topic], envelope })?;
        Some(Box::pin(async {
            published.await.map_err(|error| BackplaneError::Unavailable(Some(Box::new(error))))
        }))
    }

    fn receive(&self, context: &NodeContext, topic: &Topic, envelope: Envelope, envelope_bytes: usize) {
        let Envelope { sender, trace, number, body } = envelope;
        match body {
            Body::Deliver { frames, except } => {
                if let Some(engine) = topic.hub().and_then(|hub| self.hub(hub)) {
                    let id = |(number, topic)| MessageId::new(topic, SenderKey::of(&sender), number);
                    let id = number.zip(TopicKey::of(topic)).map(id);
                    let source = id.map_or(Source::Unnumbered, Source::Received);
                    let recipients = ReceivedFor::Topic(topic.clone(), except, source);
                    let message = ReceivedMessage { recipients, frames, trace, envelope_bytes };
                    holding::deliver_or_hold(&engine, message);
                }
            }
            Body::CancelInvokeClient { id } => {
                self.engines().for_each(|engine| engine.forwarded.cancel(&(sender.clone(), id)));
            }
            Body::Resumed => {
                context.pending.node_interrupted(&sender);
                self.cancel_forwarded(|node| *node == sender);
            }
            // Otherwise this node says itself when it is whole again, and is asked again.
            Body::Marker { id } => context.markers.arrived(&sender, id, topic),
            Body::ConfirmLink { .. } if context.link.is_interrupted() => {}
            Body::ConfirmLink { id } => context.notify(sender, Body::Confirmed { id, failure: None }),
            reply @ (Body::ClientResult { .. } | Body::Confirmed { .. }) => context.pending.resolve(reply),
            request => match remote::hub_of(&request).map(|hub| self.hub(hub)) {
                Some(Some(engine)) => {
                    let request = ReceivedRequest { sender, trace, body: request, envelope_bytes };
                    remote::receive(&engine, request);
                }
                // Nobody has a connection to a hub that is not here: there is nothing to do, and that is confirmed.
                _ => remote::confirm_nothing(context, sender, &request),
            },
        }
    }
}

impl Subscriber for EnvelopeReceiver {
    fn deliver(&self, batch: &[ReceivedEnvelope]) {
        let Some(context) = self.context.upgrade() else { return };
        if context.was_paused() {
            // It asks at once whether it was taken for dead.
            context.taken_for_dead.notify_one();
        }
        let _batch = WakeBatch::open();
        for ReceivedEnvelope { topic, envelope } in batch {
            match Envelope::decode(envelope) {
                Ok(decoded) if decoded.sender == context.id => {}
                Ok(decoded) => self.receive(&context, topic, decoded, envelope.len()),
                Err(error) if error.is_from_a_later_version() => {
                    tracing::debug!(error = %brief_display(&error), "An envelope of a later version was skipped.");
                }
                Err(error) if self.undecodable.allows((), Lines::One, log_more_undecodable) => {
                    tracing::warn!(error = %brief_display(&error), "An envelope could not be decoded and was dropped.");
                }
                Err(_) => {}
            }
        }
    }

    fn interrupted(&self, reason: &str) {
        let Some(context) = self.context.upgrade() else { return };
        let before = context.link.interrupt();
        if matches!(before, NodeLinkState::Interrupted { .. }) {
            return;
        }
        self.log_interruption(&context, reason);
        self.engines().for_each(|engine| engine.outbox.hold());
        // One that has not come to its end goes on.
        if before == NodeLinkState::Whole {
            outage::begin(&context, self.hubs.values().cloned().collect());
        }
        self.engines().for_each(|engine| link_callbacks::interrupted(&engine));
    }

    fn take_back(&self, unsent: Vec<UnsentEnvelope>) -> Vec<Option<PublishOutcome>> {
        // The last one first, since each is put before the others.
        let mut taken: Vec<_> = unsent.into_iter().rev().map(|unsent| self.hold_unsent(unsent)).collect();
        taken.reverse();
        taken
    }

    fn resumed(&self) {
        let Some(context) = self.context.upgrade() else { return };
        // First, so that whoever asks for it because of what is published next is not ignored.
        let gap = context.link.resume();
        if let Some(duration) = gap.filter(|_| context.link.set_logged(false)) {
            let discarded = context.link.take_unreported();
            tracing::warn!(
                ?duration,
                discarded,
                "The link to the other nodes is whole again; messages from other nodes may be lost."
            );
        }
        // Before what is asked again: whoever receives both knows of the gap first.
        if let Some(backplane) = &context.backplane {
            drop(backplane.publish(vec![Topic::Nodes], context.envelope(None, Body::Resumed)));
        }
        self.cancel_forwarded(|_| true);
        context.pending.link_interrupted();
        // The registry may have come back without its data: the next heartbeat finds out.
        context.taken_for_dead.notify_one();
        for engine in self.engines() {
            membership::recording::check_bans(&engine);
            engine.unrecorded.wake.notify_one();
            if gap.is_some() {
                link_callbacks::resumed(&engine);
            }
            context.tasks.spawn(membership::user::read_again(engine));
        }
    }
}

fn log_more_undecodable(number: u64) {
    tracing::warn!(number, "More envelopes could not be decoded and were dropped.");
}

#[cfg(test)]
mod tests;
