//! A place for a session of another node: it is in the index and subscribed for, so that what is sent to it from now on is kept. What does
//! not come is undone when the place is dropped.

use std::sync::Arc;

use hubward_backplane::{Body, Topic};
use hubward_proto::{Frame, Protocol};
use hubward_types::{ConnectionId, GroupName, HubName};

use super::coming::Coming;
use super::room::Reserved;
use super::wire::PlaceRefusal;
use crate::cluster::forwarding::frames_of;
use crate::cluster::outbox::{Lookup, Parcel};
use crate::cluster::send::send_to;
use crate::connection::adopting;
use crate::connection::groups::Reasons;
use crate::connection::handle::ConnectionHandle;
use crate::connection::mailbox::Mailbox;
use crate::delivery::message_id::TopicKey;
use crate::engine::Engine;
use crate::membership;
use crate::session_state::SessionIdentity;

pub(super) struct SessionPlace {
    pub(super) engine: Arc<Engine>,
    pub(super) identity: SessionIdentity,
    pub(super) handle: Arc<ConnectionHandle>,
    pub(super) reserved: Option<Reserved>,
    /// How often messages may have been missed when it was made.
    gaps: u64,
    /// Whether the session has come, so that nothing is undone.
    has_come: bool,
    /// Nobody else makes a place for it meanwhile.
    _coming: Coming,
}

/// A group and why it is delivered.
type Delivered = (GroupName, Reasons);

impl SessionPlace {
    /// Makes a place. Its groups are yet to be subscribed to.
    pub(super) fn new(
        engine: Arc<Engine>,
        identity: SessionIdentity,
        reserved: Reserved,
        coming: Coming,
    ) -> Result<Self, PlaceRefusal> {
        if engine.index.connection(&identity.connection).is_some() {
            return Err(PlaceRefusal::Known);
        }
        let mailbox = Mailbox::new(engine.mailbox_limits()).prepared();
        let handle = adopting::handle(&engine, &identity, mailbox);
        // Changes of its groups wait until it has come.
        handle.groups.hold();
        engine.index.add(&handle);
        let gaps = engine.context.link.gaps();
        Ok(Self {
            engine,
            gaps,
            identity,
            handle,
            reserved: Some(reserved),
            has_come: false,
            _coming: coming,
        })
    }

    /// The topics to subscribe to for it: those of these groups, and of its user.
    pub(super) fn topics(&self, groups: &[Delivered]) -> Vec<Topic> {
        let hub = self.engine.name();
        let user = self.identity.principal.user_id().map(|user| Topic::User(hub.clone(), user.clone()));
        let groups = groups.iter().map(|(group, _)| Topic::Group(hub.clone(), group.clone()));
        user.into_iter().chain(groups).collect()
    }

    /// Delivers for it on what was subscribed to.
    pub(super) fn subscribed(&self, groups: Vec<Delivered>) {
        if self.identity.principal.user_id().is_some() {
            self.handle.set_user_subscribed(true);
        }
        for (group, reasons) in groups {
            membership::delivered::deliver_for(&self.engine, &self.handle, &group, reasons);
        }
    }

    /// Keeps what comes on all of its topics from now on: the other node's markers have come.
    pub(super) fn open(&self) {
        let mailbox = &self.handle.mailbox;
        mailbox.open(TopicKey::all());
        if let Some(user) = self.identity.principal.user_id() {
            mailbox.open(TopicKey::user(user));
        }
        for (group, _) in self.handle.groups.all() {
            mailbox.open(TopicKey::group(&group));
        }
    }

    /// Whether messages may have been missed since it was made.
    pub(super) fn has_missed(&self) -> bool {
        self.engine.context.link.gaps() != self.gaps
    }

    /// Notes that the session has come.
    pub(super) fn has_come(&mut self) {
        self.has_come = true;
    }
}

impl Drop for SessionPlace {
    /// Undoes what was done, and sends what was for the connection alone to the node that has it.
    fn drop(&mut self) {
        if self.has_come {
            return;
        }
        let (engine, handle) = (self.engine.clone(), self.handle.clone());
        engine.index.remove(&handle);
        membership::moving::undo(&engine, &handle);
        let runtime = engine.context.clone();
        runtime.spawn(async move {
            // Those that have its mailbox in their hands put their messages in before.
            engine.context.sends.until_published().await;
            for frame in handle.mailbox.abandon() {
                send_elsewhere(&engine, &handle.id, handle.protocol, frame);
            }
            handle.set_closed();
            handle.set_ended();
        });
    }
}

/// Sends a message to a connection of another node.
fn send_elsewhere(engine: &Arc<Engine>, connection: &ConnectionId, protocol: Protocol, frame: Frame) {
    let Some(backplane) = engine.context.other_nodes() else { return };
    let lookup =
        Lookup { connections: vec![connection.clone()], frames: frames_of(protocol, &frame), trace: None };
    // It is sent whether or not somebody waits for it.
    drop(send_to(engine, backplane, lookup));
}

/// The topics that a connection's messages come on, as its node delivers them.
pub(super) fn topics_of(hub: &HubName, handle: &ConnectionHandle) -> Vec<Topic> {
    let user = handle.principal.user_id().map(|user| Topic::User(hub.clone(), user.clone()));
    let groups = handle.groups.all().into_iter().map(|(group, _)| Topic::Group(hub.clone(), group));
    [Topic::All(hub.clone())].into_iter().chain(user).chain(groups).collect()
}

/// Publishes a marker on topics, behind what the hub has sent before.
pub(super) fn publish_marker(engine: &Engine, topics: Vec<Topic>, id: u64) {
    if let Some(backplane) = &engine.context.backplane {
        let envelope = engine.context.envelope(None, Body::Marker { id });
        // Who waits for it knows whether it has come.
        drop(engine.outbox.publish_all(backplane, vec![Parcel { topics, envelope }]));
    }
}
