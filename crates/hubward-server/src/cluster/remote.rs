//! What other nodes tell a hub: deliveries, questions, and changes for connections of this node.

use std::sync::Arc;
use std::time::Duration;

use hubward_backplane::{Body, Envelope, Frames, Topic};
use hubward_types::{ConnectionId, NodeId};

use crate::cluster::client_results;
use crate::cluster::membership::{self, Change};
use crate::connection::close_reason::CloseReason;
use crate::connection::handle::Link;
use crate::connection::wake_batch::WakeBatch;
use crate::delivery::encoded::ReceivedFrames;
use crate::delivery::exclusions::Except;
use crate::hub::Engine;

impl Engine {
    /// Takes an envelope in. It does not block; what takes time is spawned.
    pub(crate) fn receive(self: Arc<Self>, topic: &Topic, envelope: Envelope) {
        let sender = envelope.sender;
        match envelope.body {
            Body::Deliver { frames, except } => self.deliver_received(topic, frames, &except),
            Body::Abort {} => self.for_topic(topic, |link| link.close(CloseReason::Aborted)),
            Body::Ask { id, reply_to, frames, invocation_id } => {
                let link = self.link_of(topic);
                self.asked.register(&sender, id, invocation_id.clone(), link.as_ref());
                let engine = self.clone();
                self.node.tasks.spawn(async move {
                    let asked = (sender, id);
                    client_results::answer_for(engine.clone(), link, id, reply_to, frames, invocation_id)
                        .await;
                    engine.asked.forget(&asked);
                });
            }
            Body::CancelAsk { id } => self.asked.cancel(&(sender, id)),
            Body::JoinGroup { id, reply_to, group } => {
                self.change_for(topic, id, reply_to, group, Change::Join);
            }
            Body::LeaveGroup { id, reply_to, group } => {
                self.change_for(topic, id, reply_to, group, Change::Leave);
            }
            Body::UserJoined { group, ttl_ms } => {
                let Topic::User(_, user) = topic.clone() else { return };
                let tasks = self.node.tasks.clone();
                tasks.spawn(membership::user_joined(self, user, group, ttl_ms.map(Duration::from_millis)));
            }
            Body::UserLeft { group } => {
                let Topic::User(_, user) = topic.clone() else { return };
                let tasks = self.node.tasks.clone();
                tasks.spawn(async move { membership::user_left(&self, &user, &group).await });
            }
            Body::Answer { .. } | Body::Done { .. } => {
                tracing::debug!("An envelope to a hub says what only a node is told.");
            }
        }
    }

    fn deliver_received(&self, topic: &Topic, frames: Frames, except: &[ConnectionId]) {
        let frames = ReceivedFrames::new(frames);
        let except = Except::new(except);
        let _batch = WakeBatch::open();
        self.for_topic(topic, |link| {
            if let Some(frame) = frames.get(link.protocol).filter(|_| !except.contains(&link.id)) {
                link.mailbox.push(frame.clone());
            }
        });
    }

    fn for_topic(&self, topic: &Topic, mut visit: impl FnMut(&Arc<Link>)) {
        match topic {
            Topic::All(_) => self.index.for_all(visit),
            Topic::Group(_, group) => self.index.for_group(group, visit),
            Topic::User(_, user) => self.index.for_user(user, visit),
            Topic::Connection(_, id) => {
                if let Some(link) = self.index.connection(id) {
                    visit(&link);
                }
            }
            Topic::Node(_) => {}
        }
    }

    fn link_of(&self, topic: &Topic) -> Option<Arc<Link>> {
        let Topic::Connection(_, id) = topic else { return None };
        self.index.connection(id)
    }

    fn change_for(
        self: &Arc<Self>,
        topic: &Topic,
        id: u64,
        reply_to: NodeId,
        group: hubward_types::GroupName,
        change: Change,
    ) {
        let (engine, link) = (self.clone(), self.link_of(topic));
        self.node.tasks.spawn(async move {
            let changed = match link {
                Some(link) => membership::change_here(&engine, &link, &group, change).await,
                None => Ok(()),
            };
            let error = changed.err().map(|error| error.to_string());
            let Some(backplane) = &engine.node.backplane else { return };
            let envelope = engine.envelope(Body::Done { id, error });
            if let Err(error) = backplane.publish(&Topic::Node(reply_to), envelope).await {
                tracing::warn!(%error, "A change of membership could not be confirmed to the node that asked.");
            }
        });
    }
}
