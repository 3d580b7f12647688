//! The return of the link: whom a node waits for, and what happens where it is interrupted again meanwhile.

use hubward_backplane::{BackplaneError, BoxFuture, Frames, Order, Subscriber, Topic, UnsentEnvelope};
use hubward_proto::{Protocol, encode};

use super::*;
use crate::cluster::receiver::EnvelopeReceiver;
use crate::testing::faulty_store::FaultyStore;
use crate::testing::pass;

const HALF_A_SECOND: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn what_was_held_goes_out_when_the_others_are_back_as_well() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    interrupt(&cluster.other);
    send_by_every_selector(&cluster.hub());
    pass(SECOND).await;
    resume(&cluster.node);
    pass(SECOND).await;
    drop(cluster.hub().all().send("9", ()));
    assert!(!cluster.node.backplane.take_calls().contains(&"publish all".to_owned()));
    resume(&cluster.other);
    settle().await;
    assert_eq!(received(&cluster.there), [&BY_EVERY_SELECTOR[..], &["9"]].concat());
}

fn frames(method: &str) -> Frames {
    let frame = encode::invocation(Protocol::Json, None, method, &()).unwrap();
    Frames { json: Some(frame.websocket().clone()), messagepack: None }
}

/// What a backplane has accepted of a hub before an interruption: two messages, and something that is asked again.
fn unsent(node: &TestNode) -> Vec<UnsentEnvelope> {
    let (hub, other) = (node.engine.name().clone(), Topic::Node("node-2".into()));
    let to_client = Body::DeliverTo { hub: hub.clone(), connections: vec!["c1".into()], frames: frames("2") };
    let bodies = [
        (Topic::All(hub), Body::Deliver { frames: frames("1"), except: vec![] }),
        (other.clone(), to_client),
        (other, Body::ConfirmLink { id: 1 }),
    ];
    let unsent = |(topic, body)| UnsentEnvelope { topic, envelope: node.engine.context.envelope(None, body) };
    bodies.into_iter().map(unsent).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_backplane_hands_back_goes_out_first_when_the_others_are_back() {
    for per_topic in [false, true] {
        let cluster = Cluster::start().await;
        cluster.node.backplane.per_topic.store(per_topic, std::sync::atomic::Ordering::SeqCst);
        let receiver = EnvelopeReceiver::new(&cluster.node.engine.context, [&cluster.node.engine]);
        // A lookup is under way, whose turn is after what was accepted before it.
        cluster.node.store.querying.hold();
        drop(cluster.hub().connection("c2").send("a", ()));
        settle().await;
        interrupt(&cluster.node);
        interrupt(&cluster.other);
        drop(cluster.hub().all().send("3", ()));
        let taken = receiver.take_back(unsent(&cluster.node));
        assert_eq!(taken.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        let mut published: Vec<_> = taken.into_iter().flatten().collect();
        assert!(published.iter_mut().all(|published| published.now_or_never().is_none()));
        resume(&cluster.node);
        cluster.node.store.querying.release();
        settle().await;
        assert!(received(&cluster.there).is_empty());
        resume(&cluster.other);
        settle().await;
        assert_eq!(received(&cluster.there), ["1", "2", "3"]);
        assert_eq!(received(&cluster.unknown), ["1", "a", "3"]);
        for published in published {
            published.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_holds_nothing_takes_nothing_back() {
    let cluster = Cluster::start_with(|| hub_with(Outage::Fail)).await;
    let receiver = EnvelopeReceiver::new(&cluster.node.engine.context, [&cluster.node.engine]);
    interrupt(&cluster.node);
    assert!(receiver.take_back(unsent(&cluster.node)).iter().all(Option::is_none));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_back_in_time_is_waited_for_no_longer() {
    let network = hubward_backplane::InMemoryNetwork::new();
    let store = FaultyStore::new();
    let start = async |id: &str| TestNode::start_on(network.clone(), id, store.clone(), hub()).await;
    let (node, back, away) = (start("node-1").await, start("node-2").await, start("node-3").await);
    let client = handle("c1");
    back.open(&client).await;
    settle().await;
    for node in [&node, &away] {
        interrupt(node);
    }
    drop(node.engine.handle().all().send("1", ()));
    resume(&node);
    pass(RETURN_TIMEOUT - Duration::from_millis(2)).await;
    assert!(received(&client).is_empty());
    pass(Duration::from_millis(4)).await;
    assert_eq!(received(&client), ["1"]);
    // One that has left is not waited for at all.
    resume(&away);
    away.node.shut_down().await;
    settle().await;
    interrupt(&node);
    drop(node.engine.handle().all().send("2", ()));
    resume(&node);
    settle().await;
    assert_eq!(received(&client), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn nodes_are_known_from_the_registry_also_where_it_forgets_them_in_the_outage() {
    let cluster = Cluster::start().await;
    let peers = |node: &TestNode| node.engine.context.peers.all().into_iter().collect::<Vec<_>>();
    assert_eq!((peers(&cluster.node), peers(&cluster.other)), (vec!["node-2".into()], vec!["node-1".into()]));
    interrupt(&cluster.node);
    interrupt(&cluster.other);
    drop(cluster.hub().all().send("1", ()));
    resume(&cluster.node);
    settle().await;
    // As a registry that comes back without its data.
    for node in [&cluster.node, &cluster.other] {
        let owner = node.engine.context.owner();
        hubward_backplane::NodeRegistry::withdraw(&*node.registry, &owner).await.unwrap();
    }
    pass(SECOND).await;
    assert!(received(&cluster.there).is_empty(), "it is waited for");
    resume(&cluster.other);
    settle().await;
    assert_eq!(received(&cluster.there), ["1"]);
    assert_eq!(cluster.node.recorded_in("g").await, 1, "both have announced themselves anew at once");
    assert_eq!((peers(&cluster.node), peers(&cluster.other)), (vec!["node-2".into()], vec!["node-1".into()]));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_interrupted_again_before_the_others_are_back_loses_nothing() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.other);
    for round in 0..3 {
        interrupt(&cluster.node);
        drop(cluster.hub().all().send(&format!("{round}a"), ()));
        pass(HALF_A_SECOND).await;
        resume(&cluster.node);
        drop(cluster.hub().all().send(&format!("{round}b"), ()));
        pass(HALF_A_SECOND).await;
    }
    resume(&cluster.other);
    settle().await;
    assert_eq!(received(&cluster.there), ["0a", "0b", "1a", "1b", "2a", "2b"]);
    assert_eq!(cluster.node.node.gaps(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_out_when_the_link_is_interrupted_again_stays_held_and_goes_out_once() {
    let hold = || hub_with(Outage::Hold { max_bytes: 64 << 20, max_wait: Duration::from_secs(60) });
    let cluster = Cluster::start_with(hold).await;
    interrupt(&cluster.node);
    let count = 2000;
    for number in 0..count {
        cluster.hub().group("g").send(&number.to_string(), ()).await.unwrap();
    }
    // The first ones are on their way, and their confirmations late.
    cluster.node.backplane.publishing.hold();
    resume(&cluster.node);
    pass(RETURN_TIMEOUT + SECOND).await;
    let first = received(&cluster.there);
    assert!(!first.is_empty() && first.len() < count, "{}", first.len());
    interrupt(&cluster.node);
    cluster.node.backplane.publishing.release();
    drop(cluster.hub().group("g").send(&count.to_string(), ()));
    pass(SECOND).await;
    assert!(received(&cluster.there).is_empty());
    resume(&cluster.node);
    settle().await;
    let expected: Vec<_> = (0..=count).map(|number| number.to_string()).collect();
    assert_eq!([first, received(&cluster.there)].concat(), expected);
}

/// A backplane whose link is interrupted with its nth publication.
struct Cut {
    inner: Arc<dyn Backplane>,
    engine: Arc<Engine>,
    left: std::sync::atomic::AtomicUsize,
}

impl Backplane for Cut {
    fn publish(
        &self,
        topics: Vec<Topic>,
        envelope: bytes::Bytes,
    ) -> BoxFuture<'static, Result<(), BackplaneError>> {
        let left = self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        if left > 1 {
            return self.inner.publish(topics, envelope);
        }
        self.engine.context.link.interrupt();
        Box::pin(std::future::ready(Err(BackplaneError::Unavailable(None))))
    }

    fn start(&self, subscriber: Arc<dyn Subscriber>) -> BoxFuture<'_, Result<(), BackplaneError>> {
        self.inner.start(subscriber)
    }

    fn subscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, Vec<Result<(), BackplaneError>>> {
        self.inner.subscribe(topics)
    }

    fn unsubscribe(&self, topics: Vec<Topic>) -> BoxFuture<'static, ()> {
        self.inner.unsubscribe(topics)
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn is_alone(&self) -> bool {
        self.inner.is_alone()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.inner.stop()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_backplane_refuses_because_of_another_interruption_stays_held_wherever_that_comes() {
    for published in 1..=9 {
        let cluster = Cluster::start().await;
        // Without a task that publishes what is held.
        let (engine, link) = (&cluster.node.engine, &cluster.node.engine.context.link);
        engine.outbox.hold();
        send_by_every_selector(&cluster.hub());
        let inner = engine.context.backplane.clone().unwrap();
        let cut: Arc<dyn Backplane> =
            Arc::new(Cut { inner: inner.clone(), engine: engine.clone(), left: published.into() });
        publish_in_turn(engine, &cut, link.watch()).await;
        assert!(link.is_interrupted(), "{published}");
        let mut mail = received(&cluster.there);
        assert!(mail.len() < published, "{mail:?}");
        link.resume();
        publish_in_turn(engine, &inner, link.watch()).await;
        assert!(matches!(engine.outbox.next(&inner, link, &mut PublishWindow::default()), HeldStep::Done));
        mail.extend(received(&cluster.there));
        assert_eq!(mail, BY_EVERY_SELECTOR);
        assert_eq!(received(&cluster.unknown), ["a", "b", "8"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backplane_that_fails_or_panics_once_the_link_is_whole_fails_its_messages_and_holds_no_later_one() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let failed = cluster.hub().all().send("1", ()).until_published();
    cluster.node.backplane.publishing.set_failing(true);
    resume(&cluster.node);
    assert!(failed.await.is_err());
    cluster.node.backplane.publishing.set_failing(false);
    cluster.hub().all().send("2", ()).await.unwrap();
    assert_eq!(received(&cluster.there), ["2"]);

    interrupt(&cluster.node);
    let failed = cluster.hub().connection("c2").send("3", ()).until_published();
    let lost = cluster.hub().all().send("4", ()).until_published();
    cluster.node.store.querying.set_panicking(true);
    resume(&cluster.node);
    let errors = [failed.await, lost.await].map(|result| result.unwrap_err().to_string());
    assert!(errors.iter().all(|error| error.contains("panicked")), "{errors:?}");
    assert_eq!(cluster.node.node.discarded_messages(), 2);
    cluster.hub().all().send("5", ()).await.unwrap();
    assert_eq!(received(&cluster.there), ["5"]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_sends_faster_than_one_window_is_confirmed_is_not_held_for_ever() {
    let hold = || hub_with(Outage::Hold { max_bytes: 64 << 20, max_wait: Duration::from_secs(60) });
    let cluster = Cluster::start_with(hold).await;
    interrupt(&cluster.node);
    for number in 0..300 {
        drop(cluster.hub().group("g").send(&number.to_string(), ()));
    }
    resume(&cluster.node);
    let mut sent = 300;
    // Between any two windows comes more than the first one takes.
    while cluster.node.engine.outbox.expires_at().is_some() {
        for _ in 0..400 {
            drop(cluster.hub().group("g").send(&sent.to_string(), ()));
            sent += 1;
        }
        assert!(sent < 20_000, "it is held for ever");
        tokio::task::yield_now().await;
        received(&cluster.there);
    }
}
