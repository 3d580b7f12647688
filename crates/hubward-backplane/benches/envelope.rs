//! What an envelope costs on its way: encoding and decoding a message of 100 bytes, as every send to another
//! node does, and beside it the joins and publications of the in-memory forms.

use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, black_box};
use futures_util::FutureExt as _;
use hubward_backplane::{
    Backplane, Body, Envelope, Frames, GroupStore, InMemoryGroupStore, InMemoryNetwork, Subscriber, Topic,
};

fn main() {
    divan::main();
}

fn message(except: usize) -> Envelope {
    let frame = Some(Bytes::from(vec![b'x'; 100]));
    let except = (0..except).map(|number| format!("{number:022}").into()).collect();
    let body = Body::Deliver { frames: Frames { json: frame.clone(), messagepack: frame }, except };
    Envelope { sender: "node-0123456789abcdef".into(), body }
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
        fn deliver(&self, topic: &Topic, envelope: Bytes) {
            black_box((topic, envelope));
        }
    }

    let network = InMemoryNetwork::new();
    let (here, there) = (network.backplane("here".into()), network.backplane("there".into()));
    let topic = |number: usize| Topic::Group("clinical".into(), format!("ward:{number}").into());
    for node in [&here, &there] {
        node.start(Arc::new(Nowhere)).now_or_never();
    }
    for number in 0..topics {
        there.subscribe(topic(number)).now_or_never();
    }
    let (topic, envelope) = (topic(0), message(0).encode());
    bencher.bench(|| here.publish(black_box(&topic), envelope.clone()).now_or_never());
}

#[divan::bench(args = [0, 10_000])]
fn join_and_leave_a_group_with_members(bencher: Bencher, members: usize) {
    let store = InMemoryGroupStore::new();
    let (hub, group, node) = ("clinical".into(), "ward:7".into(), "node-1".into());
    for number in 0..members {
        store.add_connection(&hub, &group, &format!("{number:022}").into(), &node).now_or_never();
    }
    let connection = "0000000000000000005000x".into();
    bencher.bench(|| {
        store.add_connection(&hub, &group, &connection, &node).now_or_never();
        store.end_connection(&hub, &connection).now_or_never();
    });
}
