//! A message broker that is slow to confirm a subscription.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::recording_node::{SubscriberEvent, TestNetwork, check_nothing_came, fence, two, ward};
use crate::conformance::wait::TIMEOUT;

/// For how long a broker is slow.
const A_WHILE: Duration = Duration::from_millis(50);

pub async fn what_is_published_after_a_slow_confirmation_arrives(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    for _ in 0..5 {
        new.hold(&"there".into()).await;
        let mut subscribing = there.backplane.subscribe(vec![ward(7)]);
        // A form that cannot hold confirmations back has confirmed by then.
        let early = timeout(A_WHILE, &mut subscribing).await;
        new.release(&"there".into()).await;
        let results = match early {
            Ok(results) => results,
            Err(_) => timeout(TIMEOUT, subscribing).await.expect("it is confirmed"),
        };
        assert!(matches!(results[..], [Ok(())]), "{results:?}");
        here.publish(&ward(7), "received").await;
        there.expect(&ward(7), "received").await;
        there.unsubscribe(&ward(7)).await;
    }
}

pub async fn a_slow_confirmation_does_not_hold_up_publishing(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    here.subscribe(&fence()).await;
    new.hold(&"there".into()).await;
    let subscribing = there.backplane.subscribe(vec![ward(7)]);
    // Its reply may be held back as well, so it is not awaited.
    drop(there.backplane.publish(vec![fence()], Bytes::from_static(b"reply")));
    here.expect(&fence(), "reply").await;
    new.release(&"there".into()).await;
    assert!(subscribing.await.iter().all(Result::is_ok));
}

pub async fn an_unsubscription_before_a_slow_confirmation_decides(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    new.hold(&"there".into()).await;
    let subscribing = there.backplane.subscribe(vec![ward(7)]);
    let unsubscribing = there.backplane.unsubscribe(vec![ward(7)]);
    new.release(&"there".into()).await;
    let _ = timeout(TIMEOUT, subscribing).await.expect("it is settled");
    timeout(TIMEOUT, unsubscribing).await.expect("it is settled");
    here.publish(&ward(7), "missed").await;
    check_nothing_came(&here, &there).await;
}

pub async fn an_interruption_settles_a_confirmation_that_is_awaited(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    new.hold(&"there".into()).await;
    // In a task, as a form may need to be polled.
    let mut subscribing = JoinSet::new();
    subscribing.spawn(there.backplane.subscribe(vec![ward(7)]));
    new.interrupt(&"there".into()).await;
    assert_eq!(there.next_event().await, SubscriberEvent::Interrupted);
    new.release(&"there".into()).await;
    new.resume(&"there".into()).await;
    while there.next_event().await != SubscriberEvent::Resumed {}
    let results = timeout(TIMEOUT, subscribing.join_all()).await.expect("it is settled").remove(0);
    here.publish(&ward(7), "vitals").await;
    match &results[..] {
        [Ok(())] => there.expect(&ward(7), "vitals").await,
        [Err(_)] => {}
        other => panic!("one result for one topic, not {other:?}"),
    }
    check_nothing_came(&here, &there).await;
}
