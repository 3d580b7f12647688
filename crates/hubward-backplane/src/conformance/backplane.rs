//! What every backplane must do. That something does not arrive is shown by what was published after it and
//! has arrived: order makes a fence of it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use hubward_types::NodeId;
use tokio::task::JoinSet;

use super::eventually;
use super::recorder::{Recorder, RecordingSubscriber};
use crate::{Backplane, BackplaneError, MAX_ENVELOPE_BYTES, Topic};

/// Makes a link of a node, not started; all links of one fixture reach each other.
pub type Links = dyn Fn(NodeId) -> Arc<dyn Backplane> + Send + Sync;

const HUB: &str = "clinical";

fn ward(name: impl ToString) -> Topic {
    Topic::Group(HUB.into(), name.to_string().into())
}

fn fence() -> Topic {
    Topic::All(HUB.into())
}

async fn start(link: &Links, node: &str) -> Recorder {
    Recorder::start(link(node.into())).await
}

/// Starts two nodes, the second of which is subscribed to the fence.
async fn two(link: &Links) -> (Recorder, Recorder) {
    let (here, there) = (start(link, "here").await, start(link, "there").await);
    there.subscribe(&fence()).await;
    (here, there)
}

/// Checks that nothing was on its way from `here` to `there`, which is subscribed to the fence.
async fn check_nothing_came(here: &Recorder, there: &Recorder) {
    here.publish(&fence(), "fence").await;
    there.expect(&fence(), "fence").await;
}

pub async fn what_is_published_after_a_subscription_arrives(link: &Links) {
    let (here, there) = two(link).await;
    for number in 0..100 {
        let topic = ward(number);
        there.subscribe(&topic).await;
        here.publish(&topic, "vitals").await;
        there.expect(&topic, "vitals").await;
    }
}

pub async fn what_nobody_subscribed_to_arrives_nowhere(link: &Links) {
    let (here, there) = two(link).await;
    here.publish(&ward(7), "vitals").await;
    check_nothing_came(&here, &there).await;
}

pub async fn a_publisher_never_hears_itself(link: &Links) {
    let (here, there) = two(link).await;
    here.subscribe(&ward(7)).await;
    here.subscribe(&fence()).await;
    here.publish(&ward(7), "vitals").await;
    check_nothing_came(&here, &there).await;
    // What the other node sends after it is the first that is heard.
    there.publish(&ward(7), "answer").await;
    here.expect(&ward(7), "answer").await;
}

pub async fn every_other_subscriber_takes_an_envelope_once(link: &Links) {
    let (here, there) = two(link).await;
    let third = start(link, "third").await;
    third.subscribe(&fence()).await;
    here.publish(&fence(), "one").await;
    here.publish(&fence(), "two").await;
    for node in [&there, &third] {
        node.expect(&fence(), "one").await;
        node.expect(&fence(), "two").await;
    }
}

pub async fn the_order_of_a_publisher_is_kept_across_the_topics_of_a_hub(link: &Links) {
    let (here, there) = two(link).await;
    let topics = [
        fence(),
        ward(7),
        ward(8),
        Topic::User(HUB.into(), "alice".into()),
        Topic::Connection(HUB.into(), "c1".into()),
    ];
    for topic in &topics {
        there.subscribe(topic).await;
    }
    let in_turn = || topics.iter().cycle().zip(0..2_000);
    join_all(in_turn().map(|(topic, number)| here.publish(topic, number.to_string()))).await;
    for (topic, number) in in_turn() {
        there.expect(topic, number.to_string()).await;
    }
}

pub async fn the_order_of_calls_counts_and_not_that_of_polls(link: &Links) {
    let (here, there) = two(link).await;
    let calls: Vec<_> =
        (0..50).map(|number| here.link.publish(&fence(), Bytes::from(number.to_string()))).collect();
    for call in calls.into_iter().rev() {
        call.await.expect("the envelope is sent");
    }
    for number in 0..50 {
        there.expect(&fence(), number.to_string()).await;
    }
}

pub async fn a_dropped_publication_is_still_sent(link: &Links) {
    let (here, there) = two(link).await;
    drop(here.link.publish(&fence(), Bytes::from_static(b"one")));
    here.publish(&fence(), "two").await;
    there.expect(&fence(), "one").await;
    there.expect(&fence(), "two").await;
}

pub async fn nothing_arrives_after_an_unsubscription(link: &Links) {
    let (here, there) = two(link).await;
    for _ in 0..50 {
        there.subscribe(&ward(7)).await;
        here.publish(&ward(7), "heard").await;
        there.expect(&ward(7), "heard").await;
        there.unsubscribe(&ward(7)).await;
        here.publish(&ward(7), "unheard").await;
        check_nothing_came(&here, &there).await;
    }
}

pub async fn a_topic_subscribed_to_twice_is_subscribed_to_once(link: &Links) {
    let (here, there) = two(link).await;
    there.subscribe(&ward(7)).await;
    there.subscribe(&ward(7)).await;
    here.publish(&ward(7), "once").await;
    there.expect(&ward(7), "once").await;
    check_nothing_came(&here, &there).await;
    there.unsubscribe(&ward(7)).await;
    here.publish(&ward(7), "unheard").await;
    check_nothing_came(&here, &there).await;
}

pub async fn unsubscribing_from_what_was_never_subscribed_to_is_no_error(link: &Links) {
    let (here, there) = two(link).await;
    there.unsubscribe(&ward(7)).await;
    check_nothing_came(&here, &there).await;
}

pub async fn of_two_calls_about_a_topic_the_later_decides(link: &Links) {
    let (here, there) = two(link).await;
    let topic = ward(7);
    let calls = vec![
        there.link.subscribe(topic.clone()),
        there.link.unsubscribe(topic.clone()),
        there.link.subscribe(topic.clone()),
    ];
    for call in calls.into_iter().rev() {
        call.await.expect("the call succeeds");
    }
    here.publish(&topic, "heard").await;
    there.expect(&topic, "heard").await;

    let calls = vec![there.link.subscribe(topic.clone()), there.link.unsubscribe(topic.clone())];
    for call in calls.into_iter().rev() {
        call.await.expect("the call succeeds");
    }
    here.publish(&topic, "unheard").await;
    check_nothing_came(&here, &there).await;
}

pub async fn concurrent_subscriptions_of_one_topic_settle(link: &Links) {
    let (here, there) = two(link).await;
    for round in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let link = Arc::clone(&there.link);
            tasks.spawn(async move {
                match number % 2 {
                    0 => link.subscribe(ward(7)).await,
                    _ => link.unsubscribe(ward(7)).await,
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("the task ends").expect("the call succeeds");
        }
        if round % 2 == 0 {
            there.subscribe(&ward(7)).await;
            here.publish(&ward(7), "heard").await;
            there.expect(&ward(7), "heard").await;
        } else {
            there.unsubscribe(&ward(7)).await;
            here.publish(&ward(7), "unheard").await;
        }
        check_nothing_came(&here, &there).await;
    }
}

pub async fn topics_that_look_alike_stay_apart(link: &Links) {
    let (here, there) = two(link).await;
    let topics = look_alikes();
    for subscribed in &topics {
        there.subscribe(subscribed).await;
        join_all(topics.iter().map(|topic| here.publish(topic, format!("for {topic:?}")))).await;
        there.expect(subscribed, format!("for {subscribed:?}")).await;
        check_fenced_by(&here, &there, subscribed).await;
        there.unsubscribe(subscribed).await;
    }
}

/// As [`check_nothing_came`], with a topic of which the order with the others is known.
async fn check_fenced_by(here: &Recorder, there: &Recorder, topic: &Topic) {
    here.publish(topic, "fence").await;
    there.expect(topic, "fence").await;
    check_nothing_came(here, there).await;
}

/// Topics that a careless channel name would run together, or that a pattern would match.
fn look_alikes() -> Vec<Topic> {
    let group = |hub: &str, group: &str| Topic::Group(hub.into(), group.into());
    let long = "x".repeat(10_000);
    vec![
        Topic::All("a".into()),
        Topic::All("A".into()),
        Topic::All("".into()),
        Topic::All("a:g:b".into()),
        Topic::All("a}".into()),
        Topic::Node("a".into()),
        Topic::Node("a:b".into()),
        Topic::Node("".into()),
        group("a", ""),
        group("a", "b"),
        group("a", "B"),
        group("a", " b"),
        group("a:b", "c"),
        group("a", "b:c"),
        group("a/b", "c"),
        group("a", "b/c"),
        group("a", "b%3Ac"),
        group("a", "b\\:c"),
        group("{a}", "b"),
        group("a", "{b}"),
        group("a", "*"),
        group("a", "b*"),
        group("a", "?"),
        group("a", "[b]"),
        group("a", "b\0"),
        group("a", "b\r\n"),
        group("a", "é"),
        group("a", "e\u{301}"),
        group("a", "病棟"),
        group("a", &long),
        group("a", &format!("{long}x")),
        Topic::User("a".into(), "b".into()),
        Topic::User("a:b".into(), "c".into()),
        Topic::User("a".into(), "b:c".into()),
        Topic::Connection("a".into(), "b".into()),
        Topic::Connection("a".into(), "b:c".into()),
        Topic::Connection("a:b".into(), "c".into()),
    ]
}

pub async fn envelopes_of_any_size_and_content_arrive_unchanged(link: &Links) {
    let (here, there) = two(link).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 8 << 20] {
        let envelope: Bytes = (0..size).map(|at: u32| (at ^ (at >> 8)) as u8).collect();
        here.publish(&fence(), envelope.clone()).await;
        // Compared without printing: nobody reads eight million bytes.
        let (_, received) = there.next().await;
        assert!(received == envelope, "an envelope of {size} bytes came as {} bytes", received.len());
    }
    let hostile: &[u8] = b"*3\r\n$7\r\nmessage\r\n\0\xff";
    here.publish(&fence(), hostile).await;
    there.expect(&fence(), hostile).await;
}

pub async fn an_envelope_over_the_bound_is_refused(link: &Links) {
    let (here, there) = two(link).await;
    let refused = here.link.publish(&fence(), Bytes::from(vec![0; MAX_ENVELOPE_BYTES + 1])).await;
    assert!(matches!(refused, Err(BackplaneError::TooLarge { .. })), "{refused:?}");
    check_nothing_came(&here, &there).await;
}

pub async fn counts_are_right_where_they_are_known(link: &Links) {
    let (here, there) = two(link).await;
    let third = start(link, "third").await;
    let check = async |takers: usize| {
        let count = here.publish(&ward(7), "vitals").await;
        assert!(count.is_none_or(|count| count == takers), "{count:?} nodes took it, not {takers}");
    };
    check(0).await;
    here.subscribe(&ward(7)).await;
    check(0).await;
    there.subscribe(&ward(7)).await;
    check(1).await;
    third.subscribe(&ward(7)).await;
    check(2).await;
    here.unsubscribe(&ward(7)).await;
    check(2).await;
    there.unsubscribe(&ward(7)).await;
    check(1).await;
}

pub async fn a_node_that_is_not_alone_knows_it(link: &Links) {
    let (here, there) = two(link).await;
    assert!(!here.link.is_alone());
    assert!(!there.link.is_alone());
}

pub async fn a_stopped_node_hears_nothing_and_refuses_calls(link: &Links) {
    let (here, there) = two(link).await;
    let third = start(link, "third").await;
    third.subscribe(&fence()).await;
    there.link.stop().await;
    there.link.stop().await;
    here.publish(&fence(), "late").await;
    third.expect(&fence(), "late").await;
    assert!(there.is_drained().await, "a stopped node heard something");
    let refused = there.link.subscribe(fence()).await;
    assert!(matches!(refused, Err(BackplaneError::Stopped)), "{refused:?}");
    let refused = there.link.publish(&fence(), Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::Stopped)), "{refused:?}");
}

pub async fn a_stopped_link_lets_go_of_its_inbox(link: &Links) {
    let link = link("here".into());
    let (tx, _rx) = tokio::sync::mpsc::unbounded_channel();
    let inbox = Arc::new(RecordingSubscriber::new(tx));
    link.start(Arc::clone(&inbox) as Arc<_>).await.expect("the link starts");
    link.stop().await;
    eventually("the inbox is let go of", async || Arc::strong_count(&inbox) == 1).await;
}

pub async fn a_link_is_started_once(link: &Links) {
    let link = link("here".into());
    let inbox = || Arc::new(RecordingSubscriber::new(tokio::sync::mpsc::unbounded_channel().0));
    let refused = link.subscribe(fence()).await;
    assert!(matches!(refused, Err(BackplaneError::NotStarted)), "{refused:?}");
    let refused = link.publish(&fence(), Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::NotStarted)), "{refused:?}");
    link.start(inbox()).await.expect("the link starts");
    let refused = link.start(inbox()).await;
    assert!(matches!(refused, Err(BackplaneError::AlreadyStarted)), "{refused:?}");
    link.stop().await;
    let refused = link.start(inbox()).await;
    assert!(matches!(refused, Err(BackplaneError::Stopped)), "{refused:?}");
}
