//! The router: which connections and which topics a message is for. Everything that maps a target to local
//! connections, a target to topics, or a topic to local connections stands here.
//!
//! Fan-out never awaits a recipient: local ones have the message in their mailbox when a call returns, and other
//! nodes get one envelope per topic.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use hubward_backplane::{Body, Frames, Topic};
use hubward_hub::{EncodeCall, Sending};
use hubward_types::{ConnectionId, Target};

use crate::connection::handle::ConnectionHandle;
use crate::connection::wake_batch::WakeBatch;
use crate::delivery::encoded::{LazyFrames, ReceivedFrames};
use crate::delivery::exclusions::Exclusions;
use crate::engine::Engine;

/// Sends a call to all of `target`, on this node at once, on others when the returned future is awaited.
pub(crate) fn send(engine: &Engine, target: &Target, call: &dyn EncodeCall) -> Sending {
    let frames = LazyFrames::new(call);
    deliver(engine, target, &frames);
    let sending = engine.context.other_nodes().map(|backplane| {
        let topics = topics(engine, target);
        if topics.is_empty() {
            return Sending::done(Ok(()));
        }
        let body = Body::Deliver { frames: frames.all(), except: target_exclusions(target).to_vec() };
        engine.context.publish(backplane, topics, body)
    });
    match frames.finish() {
        Err(error) => Sending::done(Err(error)),
        Ok(()) => sending.unwrap_or_else(|| Sending::done(Ok(()))),
    }
}

/// Delivers what another node published on a topic.
pub(crate) fn deliver_received(engine: &Engine, topic: &Topic, frames: Frames, except: &[ConnectionId]) {
    let frames = ReceivedFrames::new(frames);
    let except = Exclusions::new(except);
    let _batch = WakeBatch::open();
    for_topic(engine, topic, |connection| {
        if let Some(frame) = frames.get(connection.protocol).filter(|_| !except.contains(&connection.id)) {
            connection.mailbox.push(frame.clone());
        }
    });
}

/// Visits the local connections that a topic stands for.
pub(crate) fn for_topic(engine: &Engine, topic: &Topic, mut visit: impl FnMut(&Arc<ConnectionHandle>)) {
    match topic {
        Topic::All(_) => engine.index.for_all(visit),
        Topic::Group(_, group) => engine.index.for_group(group, visit),
        Topic::User(_, user) => engine.index.for_user(user, visit),
        Topic::Connection(_, id) => {
            if let Some(connection) = engine.index.connection(id) {
                visit(&connection);
            }
        }
        Topic::Node(_) => {}
    }
}

/// The local connection that a topic names.
pub(crate) fn connection_of(engine: &Engine, topic: &Topic) -> Option<Arc<ConnectionHandle>> {
    let Topic::Connection(_, id) = topic else { return None };
    engine.index.connection(id)
}

/// Connections and users that are named twice get a message once, groups twice: as in ASP.NET Core.
fn deliver(engine: &Engine, target: &Target, frames: &LazyFrames<'_>) {
    let index = &engine.index;
    let _batch = WakeBatch::open();
    let except = Exclusions::new(target_exclusions(target));
    let push = |connection: &Arc<ConnectionHandle>| {
        if let Some(frame) = frames.get(connection.protocol) {
            connection.mailbox.push(frame.clone());
        }
    };
    let push_unless_excluded = |connection: &Arc<ConnectionHandle>| {
        if !except.contains(&connection.id) {
            push(connection);
        }
    };
    match target {
        Target::All => index.for_all(push),
        Target::AllExcept(_) => index.for_all(push_unless_excluded),
        Target::Connections(ids) => {
            distinct(ids).filter_map(|id| index.connection(id)).for_each(|connection| push(&connection));
        }
        Target::Group(group) => index.for_group(group, push),
        Target::Groups(groups) => groups.iter().for_each(|group| index.for_group(group, push)),
        Target::GroupExcept(group, _) => index.for_group(group, push_unless_excluded),
        Target::Users(users) => distinct(users).for_each(|user| index.for_user(user, push)),
    }
}

/// The topics that reach the target's connections on other nodes.
fn topics(engine: &Engine, target: &Target) -> Vec<Topic> {
    let hub = engine.name();
    match target {
        Target::All | Target::AllExcept(_) => vec![Topic::All(hub.clone())],
        Target::Connections(ids) => {
            let elsewhere = distinct(ids).filter(|id| engine.index.connection(id).is_none());
            elsewhere.map(|id| Topic::Connection(hub.clone(), id.clone())).collect()
        }
        Target::Group(group) | Target::GroupExcept(group, _) => {
            vec![Topic::Group(hub.clone(), group.clone())]
        }
        Target::Groups(groups) => groups.iter().map(|g| Topic::Group(hub.clone(), g.clone())).collect(),
        Target::Users(users) => distinct(users).map(|user| Topic::User(hub.clone(), user.clone())).collect(),
    }
}

/// The connections that a target names to be left out.
fn target_exclusions(target: &Target) -> &[ConnectionId] {
    match target {
        Target::AllExcept(except) | Target::GroupExcept(_, except) => except,
        _ => &[],
    }
}

/// Skips what came before in a list.
fn distinct<T: Eq + Hash>(items: &[T]) -> impl Iterator<Item = &T> {
    let mut seen = HashSet::new();
    let several = items.len() > 1;
    items.iter().filter(move |item| !several || seen.insert(*item))
}
