//! The router: which connections and which topics a message is for. Everything that maps a target to local
//! connections, a target to topics, or a topic to local connections is here.
//!
//! Local recipients have the message in their mailbox when a send returns, and other nodes get one envelope per topic.
//! Fan-out never awaits a recipient; awaiting a send to one connection waits for room in its mailbox (`backpressure.rs`).

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use hubward_backplane::{Body, Topic};
use hubward_hub::{EncodeCall, Sending};
use hubward_proto::Frame;
use hubward_types::{ConnectionId, GroupName, Target, TraceContext};

use crate::cluster::outbox::{Lookup, Parcel};
use crate::cluster::send::send_to;
use crate::connection::handle::ConnectionHandle;
use crate::connection::wake_batch::{self, WakeBatch};
use crate::delivery::backpressure::Backpressure;
use crate::delivery::encoded::{LazyFrames, ReceivedFrames};
use crate::delivery::exclusions::Exclusions;
use crate::delivery::members::Walk;
use crate::delivery::message_id::{MessageId, Source, TopicKey};
use crate::engine::Engine;

/// Sends a call to all of `target`: to connections of this node at once, to other nodes in the order of the calls.
pub(crate) fn send(
    engine: &Arc<Engine>,
    target: &Target,
    call: &dyn EncodeCall,
    trace: Option<&TraceContext>,
) -> Sending {
    let frames = LazyFrames::new(call);
    let backpressure = Backpressure::of(target);
    let context = &engine.context;
    // Until it is published: a connection that moves to another node waits for those that might not know of it.
    let running = context.backplane.as_ref().map(|_| context.sends.begin());
    let number = running.as_ref().map(|running| running.number);
    let source = |topic: TopicKey| match number {
        Some(number) => Source::Sent(MessageId::new(topic, context.sender_key, number)),
        None => Source::Unnumbered,
    };
    let absent = deliver(engine, target, source, &frames, &backpressure);
    let elsewhere = context.other_nodes().map(|backplane| (backplane, elsewhere(engine, target, absent)));
    let elsewhere = elsewhere.filter(|(_, elsewhere)| !elsewhere.is_empty());
    let elsewhere = elsewhere.map(|(backplane, elsewhere)| (backplane, elsewhere, frames.all()));
    // Before anything is published: a message that this reports as not sent must not reach other nodes.
    if let Err(error) = frames.finish() {
        return Sending::done(Err(error));
    }
    let sending = match elsewhere {
        None => Sending::done(Ok(())),
        Some((backplane, Elsewhere::Topics(topics), frames)) => {
            let body = Body::Deliver { frames, except: target_exclusions(target).to_vec() };
            let envelope = context.numbered_envelope(trace, number, body);
            engine.outbox.publish(backplane, Parcel { topics, envelope })
        }
        Some((backplane, Elsewhere::Connections(connections), frames)) => {
            send_to(engine, backplane, Lookup { connections, frames, trace: trace.cloned() })
        }
    };
    backpressure.apply(sending)
}

/// Delivers what another node sent to connections of this one. Returns those that are not here.
pub(crate) fn deliver_to(
    engine: &Engine,
    mut connections: Vec<ConnectionId>,
    frames: &ReceivedFrames,
) -> Vec<ConnectionId> {
    let _batch = WakeBatch::open();
    let named = connections.len();
    connections.retain(|id| {
        let Some(connection) = engine.index.connection(id) else { return true };
        if let Some(frame) = frames.get(connection.protocol) {
            connection.mailbox.push_from(frame.clone(), Source::ReceivedDirect);
        }
        false
    });
    wake_batch::divide(&engine.context.wake_portions, named - connections.len());
    connections
}

/// Delivers what another node published on a topic.
pub(crate) fn deliver_received(
    engine: &Engine,
    topic: &Topic,
    source: Source,
    frames: &ReceivedFrames,
    except: &[ConnectionId],
) {
    let except = Exclusions::new(except);
    let _batch = WakeBatch::open();
    let mut recipients = 0;
    for_topic(engine, topic, |connection| {
        recipients += 1;
        if let Some(frame) = frames.get(connection.protocol).filter(|_| !except.contains(&connection.id)) {
            connection.mailbox.push_from(frame.clone(), source);
        }
    });
    wake_batch::divide(&engine.context.wake_portions, recipients);
}

/// Visits the local connections that a topic stands for.
fn for_topic(engine: &Engine, topic: &Topic, visit: impl FnMut(&Arc<ConnectionHandle>)) {
    match topic {
        Topic::All(_) => engine.index.for_all(visit),
        Topic::Group(_, group) => engine.index.for_group(group, visit),
        Topic::User(_, user) => engine.index.for_user(user, visit),
        Topic::Node(_) | Topic::Nodes => {}
    }
}

/// Puts a call into the mailboxes of the target's local connections. Connections and users that are named twice get it
/// once, members of two named groups twice, as in ASP.NET Core. Returns the connections that are named and are not here: they
/// are looked for once, since one that moves meanwhile would get the call from both nodes, or from none.
fn deliver(
    engine: &Engine,
    target: &Target,
    source: impl Fn(TopicKey) -> Source,
    frames: &LazyFrames<'_>,
    backpressure: &Backpressure,
) -> Vec<ConnectionId> {
    let mut absent = Vec::new();
    let index = &engine.index;
    let _batch = WakeBatch::open();
    let except = Exclusions::new(target_exclusions(target));
    let recipients = Cell::new(0);
    let push = |connection: &Arc<ConnectionHandle>, frame: &Frame, source: Source| {
        recipients.update(|recipients| recipients + 1);
        let fill = connection.mailbox.push_from(frame.clone(), source);
        backpressure.note(connection, fill);
    };
    let fan_out = |walk: Walk, source: Source| {
        walk.protocols().for_each(|protocol| _ = frames.encode(protocol));
        walk.visit(|connection| {
            if let Some(frame) = frames.encoded(connection.protocol)
                && !except.contains(&connection.id)
            {
                push(connection, frame, source);
            }
        });
    };
    let to_group = |group: &GroupName| {
        if let Some(walk) = index.group(group) {
            fan_out(walk, source(TopicKey::group(group)));
        }
    };
    match target {
        Target::All | Target::AllExcept(_) => {
            let source = source(TopicKey::all());
            index.all().for_each(|walk| fan_out(walk, source));
        }
        Target::Connections(ids) => {
            for id in distinct(ids) {
                match index.connection(id) {
                    None => absent.push(id.clone()),
                    Some(connection) => {
                        if let Some(frame) = frames.encode(connection.protocol) {
                            push(&connection, frame, Source::Direct);
                        }
                    }
                }
            }
        }
        Target::Group(group) | Target::GroupExcept(group, _) => to_group(group),
        Target::Groups(groups) => groups.iter().for_each(to_group),
        Target::Users(users) => {
            for (user, walk) in distinct(users).filter_map(|user| Some((user, index.user(user)?))) {
                fan_out(walk, source(TopicKey::user(user)));
            }
        }
    }
    wake_batch::divide(&engine.context.wake_portions, recipients.get());
    absent
}

/// Where the recipients of other nodes are.
enum Elsewhere {
    Topics(Vec<Topic>),
    /// On nodes that are not known yet.
    Connections(Vec<ConnectionId>),
}

impl Elsewhere {
    fn is_empty(&self) -> bool {
        match self {
            Self::Topics(topics) => topics.is_empty(),
            Self::Connections(ids) => ids.is_empty(),
        }
    }
}

/// Returns how the target's connections on other nodes are reached, of which those that are named are `absent` here.
fn elsewhere(engine: &Engine, target: &Target, absent: Vec<ConnectionId>) -> Elsewhere {
    let hub = engine.name();
    Elsewhere::Topics(match target {
        Target::All | Target::AllExcept(_) => vec![Topic::All(hub.clone())],
        Target::Connections(_) => return Elsewhere::Connections(absent),
        Target::Group(group) | Target::GroupExcept(group, _) => {
            vec![Topic::Group(hub.clone(), group.clone())]
        }
        Target::Groups(groups) => groups.iter().map(|g| Topic::Group(hub.clone(), g.clone())).collect(),
        Target::Users(users) => distinct(users).map(|user| Topic::User(hub.clone(), user.clone())).collect(),
    })
}

/// Returns the connections that a target excludes.
fn target_exclusions(target: &Target) -> &[ConnectionId] {
    match target {
        Target::AllExcept(except) | Target::GroupExcept(_, except) => except,
        _ => &[],
    }
}

/// Iterates over a list without its repetitions.
fn distinct<T: Eq + Hash>(items: &[T]) -> impl Iterator<Item = &T> {
    let mut seen = HashSet::new();
    let several = items.len() > 1;
    items.iter().filter(move |item| !several || seen.insert(*item))
}

#[cfg(test)]
mod tests;
