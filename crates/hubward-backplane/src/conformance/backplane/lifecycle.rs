//! Starting and stopping.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::unbounded_channel;

use super::recording_node::{RecordingSubscriber, TestNetwork, fence, start, two};
use crate::backplane::BackplaneError;
use crate::conformance::wait::eventually;

pub async fn a_node_among_others_is_not_alone(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    assert!(!here.backplane.is_alone());
    assert!(!there.backplane.is_alone());
}

pub async fn a_stopped_node_receives_nothing_and_refuses_calls(new: &dyn TestNetwork) {
    let (here, there) = two(new).await;
    let third = start(new, "third").await;
    third.subscribe(&fence()).await;
    there.backplane.stop().await;
    there.backplane.stop().await;
    here.publish(&fence(), "late").await;
    third.expect(&fence(), "late").await;
    assert!(there.is_drained().await, "a stopped node received something");
    let refused = there.try_subscribe(&fence()).await;
    assert!(matches!(refused, Err(BackplaneError::Stopped)), "{refused:?}");
    let refused = there.backplane.publish(vec![fence()], Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::Stopped)), "{refused:?}");
}

pub async fn a_stopped_backplane_drops_its_subscriber(new: &dyn TestNetwork) {
    let backplane = new.backplane("here".into());
    let (tx, _rx) = unbounded_channel();
    let subscriber = Arc::new(RecordingSubscriber::new(tx));
    backplane.start(Arc::clone(&subscriber) as Arc<_>).await.expect("the backplane starts");
    backplane.stop().await;
    eventually("the subscriber is dropped", async || Arc::strong_count(&subscriber) == 1).await;
}

pub async fn a_backplane_is_started_once(new: &dyn TestNetwork) {
    let backplane = new.backplane("here".into());
    let subscriber = || Arc::new(RecordingSubscriber::new(unbounded_channel().0));
    let refused = backplane.subscribe(vec![fence()]).await;
    assert!(matches!(refused[..], [Err(BackplaneError::NotStarted)]), "{refused:?}");
    let refused = backplane.publish(vec![fence()], Bytes::new()).await;
    assert!(matches!(refused, Err(BackplaneError::NotStarted)), "{refused:?}");
    backplane.start(subscriber()).await.expect("the backplane starts");
    let refused = backplane.start(subscriber()).await;
    assert!(matches!(refused, Err(BackplaneError::AlreadyStarted)), "{refused:?}");
    backplane.stop().await;
    let refused = backplane.start(subscriber()).await;
    assert!(matches!(refused, Err(BackplaneError::Stopped)), "{refused:?}");
}

pub async fn a_start_that_failed_may_be_tried_again(new: &dyn TestNetwork) {
    let there = start(new, "there").await;
    there.subscribe(&fence()).await;
    let backplane = new.backplane("here".into());
    new.interrupt(&"here".into()).await;
    let subscriber = || Arc::new(RecordingSubscriber::new(unbounded_channel().0));
    for _ in 0..2 {
        let failed = backplane.start(subscriber()).await;
        assert!(matches!(failed, Err(BackplaneError::Unavailable(_))), "{failed:?}");
    }
    new.resume(&"here".into()).await;
    eventually("the backplane starts", async || backplane.start(subscriber()).await.is_ok()).await;
    backplane.publish(vec![fence()], Bytes::from_static(b"one")).await.expect("the envelope is sent");
    there.expect(&fence(), "one").await;
}
