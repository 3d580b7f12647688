//! What an envelope costs on its way: encoding and decoding a message of 100 bytes, as every send to another
//! node does, and beside it the joins and publications of the in-memory forms.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use divan::{Bencher, black_box};
use futures_util::FutureExt as _;
use hubward_backplane::{
    Backplane, Body, Envelope, Frames, GroupStore, InMemoryNetwork, InMemoryStore, NodeInfo,
    NodeRegistry as _, OpenConnection, Owner, ReceivedEnvelope, Subscriber, Topic,
};

fn main() {
    divan::main();
}

fn message(except: usize) -> Envelope {
    let frame = Some(Bytes::from(vec![b'x'; 100]));
    let except = (0..except).map(|number| format!("{number:022}").into()).collect();
    let body = Body::Deliver { frames: Frames { json: frame.clone(), messagepack: frame }, except };
    Envelope { sender: "node-0123456789abcdef".into(), trace: None, number: None, body }
}

#[divan::bench(args = [0, 1, 100])]
fn encode(bencher: Bencher, except: usize) {
    let envelope = message(except);
    bencher.bench(|| black_box(&envelope).encode());
}

#[divan::bench(args = [0, 1, 100])]
fn decode(bencher: Bencher, except: usize) {
    let bytes = message(except).encode();
    bencher.bench(|| Envelope::decode(black_box(&bytes)));
}

#[divan::bench(args = [1, 10_000])]
fn publish_to_one_node_among_topics(bencher: Bencher, topics: usize) {
    struct Nowhere;

    impl Subscriber for Nowhere {
        fn deliver(&self, batch: &[ReceivedEnvelope]) {
            black_box(batch);
        }

        fn interrupted(&self, _: &str) {}

        fn resumed(&self) {}
    }

    let network = InMemoryNetwork::new();
    let (here, there) = (network.backplane("here".into()), network.backplane("there".into()));
    let topic = |number: usize| Topic::Group("clinical".into(), format!("ward:{number}").into());
    for node in [&here, &there] {
        node.start(Arc::new(Nowhere)).now_or_never();
    }
    there.subscribe((0..topics).map(topic).collect()).now_or_never();
    let (topic, envelope) = (topic(0), message(0).encode());
    bencher.bench(|| here.publish(vec![black_box(&topic).clone()], envelope.clone()).now_or_never());
}

fn announced(store: &InMemoryStore) -> Owner {
    let node = NodeInfo { id: "node-1".into(), address: None, hubs: vec!["clinical".into()] };
    match store.announce(node.clone()).now_or_never() {
        Some(Ok(epoch)) => Owner { node: node.id, epoch },
        other => unreachable!("a store in memory announces the first node at once: {other:?}"),
    }
}

fn opening(owner: &Owner, number: usize) -> OpenConnection {
    OpenConnection {
        hub: "clinical".into(),
        connection: format!("{number:022}").into(),
        user: Some("alice".into()),
        owner: owner.clone(),
        claim: Duration::ZERO,
    }
}

/// What a connection costs the store that joins one group.
#[divan::bench(args = [0, 10_000])]
fn open_join_and_end_among_members(bencher: Bencher, members: usize) {
    let store = InMemoryStore::with_lease(Duration::MAX);
    let owner = announced(&store);
    let (hub, group) = ("clinical".into(), "ward:7".into());
    let join = |number| {
        let opening = opening(&owner, number);
        let connection = opening.connection.clone();
        store.open_connection(opening).now_or_never();
        store.add_connection(&hub, &group, &connection, &owner).now_or_never();
        connection
    };
    for number in 0..members {
        join(number);
    }
    bencher.bench(|| {
        let connection = join(members);
        store.end_connection(&hub, &connection, &owner).now_or_never();
    });
}

/// A node alone records its connections only for the groups that they join.
#[divan::bench(args = [0, 10_000])]
fn join_and_end_alone_among_members(bencher: Bencher, members: usize) {
    let store = InMemoryStore::new();
    let (hub, group, owner) = ("clinical".into(), "ward:7".into(), Owner::alone("node-1".into()));
    for number in 0..members {
        store.add_connection(&hub, &group, &format!("{number:022}").into(), &owner).now_or_never();
    }
    let connection = "0000000000000000005000x".into();
    bencher.bench(|| {
        store.add_connection(&hub, &group, &connection, &owner).now_or_never();
        store.end_connection(&hub, &connection, &owner).now_or_never();
    });
}
