//! Tests of what a node does with an envelope.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hubward_backplane::{Body, ClientResultOutcome, Frames};
use hubward_hub::Hub;
use hubward_proto::{Frame, Protocol, encode};
use hubward_types::ConnectionId;
use tracing::Level;

use super::*;
use crate::cluster::pending::Settled;
use crate::connection::handle::ConnectionHandle;
use crate::node::Node;
use crate::testing::{engine_on, handle, log::CapturedLog, take_mail};

/// A node with two hubs, `one` and `two`, and a connection to each.
struct Setup {
    context: Arc<NodeContext>,
    hubs: [Arc<Engine>; 2],
    receiver: EnvelopeReceiver,
    one: Arc<ConnectionHandle>,
    two: Arc<ConnectionHandle>,
}

fn setup() -> Setup {
    let context = NodeContext::new("node-1".into(), None, None);
    let (one, two) = (handle("c1"), handle("c2"));
    let hubs = [("one", &one), ("two", &two)].map(|(name, connection)| {
        let engine = engine_on(context.clone(), Hub::new(name));
        engine.index.add(connection);
        engine
    });
    let receiver = EnvelopeReceiver::new(&context, &hubs);
    Setup { context, hubs, receiver, one, two }
}

impl Setup {
    fn deliver(&self, topic: Topic, envelope: Bytes) {
        self.receiver.deliver(&[ReceivedEnvelope { topic, envelope }]);
    }

    /// How many messages each connection has received.
    fn received(&self) -> (usize, usize) {
        (take_mail(&self.one).0.len(), take_mail(&self.two).0.len())
    }
}

/// A message for everybody, from this node.
fn message_from(sender: &str) -> Bytes {
    let frame = encode::invocation(Protocol::Json, None, "M", &(1,)).unwrap();
    let frames = Frames { json: Some(frame.websocket().clone()), messagepack: None };
    Envelope {
        sender: sender.into(),
        trace: None,
        number: None,
        body: Body::Deliver { frames, except: Vec::new() },
    }
    .encode()
}

fn batch(topic: Topic) -> [ReceivedEnvelope; 1] {
    [ReceivedEnvelope { topic, envelope: message_from("node-2") }]
}

fn all_of(hub: &str) -> Topic {
    Topic::All(hub.into())
}

#[test]
fn an_envelope_reaches_the_hub_that_it_is_for() {
    let setup = setup();
    setup.deliver(all_of("two"), message_from("node-2"));
    assert_eq!(setup.received(), (0, 1));
}

#[test]
fn an_envelope_of_this_node_itself_is_ignored() {
    let setup = setup();
    setup.deliver(all_of("one"), message_from("node-1"));
    assert_eq!(setup.received(), (0, 0));
}

#[test]
fn an_envelope_for_a_hub_that_this_node_does_not_have_is_dropped() {
    let setup = setup();
    let log = CapturedLog::start();
    setup.deliver(all_of("three"), message_from("node-2"));
    assert_eq!(setup.received(), (0, 0));
    assert_eq!(log.messages(), ["DEBUG An envelope for a hub that this node does not have was dropped."]);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_an_envelope_are_dropped_with_one_warning_and_counted() {
    let setup = setup();
    let log = CapturedLog::start();
    let whole = message_from("node-2");
    for broken in [Bytes::new(), Bytes::from("envelope"), whole.slice(..whole.len() - 1)] {
        setup.deliver(all_of("one"), broken);
    }
    assert_eq!(log.messages(), ["WARN An envelope could not be decoded and was dropped."]);
    setup.deliver(all_of("one"), whole);
    assert_eq!(setup.received(), (1, 0), "the next one is delivered");
    setup.context.tasks.close();
    setup.context.tasks.wait().await;
    assert_eq!(log.messages().last().unwrap(), "WARN More envelopes could not be decoded and were dropped.");
    setup.deliver(all_of("one"), Bytes::new());
    assert_eq!(log.messages().last().unwrap(), "WARN An envelope could not be decoded and was dropped.");
}

#[test]
fn an_envelope_of_a_later_version_or_of_a_kind_not_known_is_skipped_without_a_warning() {
    let setup = setup();
    // The version and the kind stand behind the array's header, in one byte each.
    for position in [1, 2] {
        let mut later = message_from("node-2").to_vec();
        later[position] = 99;
        let log = CapturedLog::start();
        setup.deliver(all_of("one"), later.into());
        assert_eq!(log.messages(), ["DEBUG An envelope of a later version was skipped."]);
    }
    assert_eq!(setup.received(), (0, 0));
}

#[test]
fn an_envelope_to_the_node_itself_is_a_reply() {
    let setup = setup();
    let mut result = setup.context.pending.client_results.expect(&"node-2".into());
    let body = Body::ClientResult { id: result.id, outcome: ClientResultOutcome::Void };
    let envelope = Envelope { sender: "node-2".into(), trace: None, number: None, body }.encode();
    setup.deliver(Topic::Node("node-1".into()), envelope);
    assert_eq!(result.wait().now_or_never(), Some(Settled::Reply(ClientResultOutcome::Void)));

    setup.deliver(Topic::Node("node-1".into()), message_from("node-2"));
    assert_eq!(setup.received(), (0, 0));
}

#[test]
fn a_hub_receives_for_as_long_as_anything_holds_it_and_the_receiver_does_not() {
    let Setup { context, hubs, receiver, one, .. } = setup();
    let weak = Arc::downgrade(&hubs[0]);
    let node = Node::new(context, hubs);
    let held = node.hub("one").cloned();
    drop(node);
    receiver.deliver(&batch(all_of("one")));
    assert_eq!(take_mail(&one).0.len(), 1);
    drop(held);
    assert!(weak.upgrade().is_none());
    receiver.deliver(&batch(all_of("one")));
    assert_eq!(take_mail(&one).0.len(), 0);
}

#[tokio::test]
async fn what_waits_for_a_client_does_not_hold_a_large_envelope_that_it_came_in() {
    let frame = |bytes| Frame::from_payload(&vec![b'x'; bytes], false).map(|frame| frame.websocket().clone());
    let frames = || Frames { json: frame(10), messagepack: frame(1 << 20) };
    let (hub, connection) = (HubName::from("one"), ConnectionId::from("c1"));
    let invocation_id = "1".to_owned();
    let bodies = [
        Body::Deliver { frames: frames(), except: Vec::new() },
        Body::DeliverTo { hub: hub.clone(), connections: vec![connection.clone()], frames: frames() },
        Body::InvokeClient { id: 1, hub, connection, frames: frames(), invocation_id },
    ];
    let setup = setup();
    for (delivered, body) in bodies.into_iter().enumerate() {
        let envelope = Envelope { sender: "node-2".into(), trace: None, number: None, body }.encode();
        setup.deliver(all_of("one"), envelope.clone());
        while setup.one.mailbox.waiting() == delivered {
            tokio::task::yield_now().await;
        }
        assert!(envelope.is_unique(), "{delivered}");
    }
}

#[test]
fn a_message_with_a_poisoned_trace_context_is_delivered_without_one() {
    let setup = setup();
    for poison in
        [&b"\xc0"[..], b"\xc4\x03abc", b"\xd9\x22in the place of a trace context: x", b"\x91\x91\x91\x01"]
    {
        let mut envelope = message_from("node-2").to_vec();
        envelope[0] += 1;
        envelope.extend(poison);
        let log = CapturedLog::start();
        setup.deliver(all_of("one"), envelope.into());
        assert_eq!(setup.received(), (1, 0), "{poison:02x?}");
        assert!(log.messages().is_empty(), "{:?}", log.messages());
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_flaps_is_logged_once_each_way_and_then_counted() {
    const INTERRUPTED: &str = "The link to the other nodes is interrupted;";
    const WHOLE: &str = "The link to the other nodes is whole again;";
    const MORE: &str = "The link to the other nodes was interrupted again and again;";
    let setup = setup();
    let check = async |log: CapturedLog, expected: &[&str]| {
        tokio::time::sleep(Duration::from_secs(11)).await;
        let lines = log.lines(Level::WARN);
        let begins = lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected));
        assert!(begins && lines.len() == expected.len(), "{lines:#?}");
        lines
    };
    let log = CapturedLog::start();
    for _ in 0..100 {
        setup.receiver.interrupted("a cable is loose");
        setup.context.link.count_discarded(1);
        setup.receiver.resumed();
    }
    let lines = check(log, &[INTERRUPTED, WHOLE, MORE]).await;
    assert!(lines[1].ends_with("discarded=1"), "{lines:#?}");
    assert!(lines[2].ends_with("number=99 interrupted=false discarded=99"), "{lines:#?}");

    // How the link is in the end can be read, whatever is left out.
    let log = CapturedLog::start();
    setup.receiver.interrupted("a cable is loose");
    setup.receiver.resumed();
    setup.receiver.interrupted("a cable is cut");
    let lines = check(log, &[INTERRUPTED, WHOLE, MORE]).await;
    assert!(lines[2].ends_with("number=1 interrupted=true discarded=0"), "{lines:#?}");
    let log = CapturedLog::start();
    setup.receiver.resumed();
    check(log, &[WHOLE]).await;
}
