//! The bounds of what is held: in bytes, in time, and by the end of the node.

use hubward_hub::{SendError, Sending};

use super::*;
use crate::testing::{pass, until_in_time};

/// Sends one that waits until it is published, whatever else there is.
fn send(cluster: &Cluster, method: &str) -> Sending {
    cluster.hub().all().send(method, ()).until_published()
}

#[tokio::test(start_paused = true)]
async fn what_is_held_for_too_long_is_discarded_and_what_is_sent_then_fails_at_once() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let first = send(&cluster, "1");
    pass(MAX_WAIT - SECOND).await;
    let second = send(&cluster, "2");
    let before_end = Instant::now();
    for discarded in [first, second] {
        let result = discarded.await;
        assert!(matches!(result, Err(SendError::HeldTooLong { limit: MAX_WAIT })), "{result:?}");
    }
    assert_eq!(before_end.elapsed(), SECOND);
    assert_eq!(cluster.node.node.discarded_messages(), 2);
    received(&cluster.here);
    let refused = cluster.hub().all().send("3", ()).await;
    assert!(matches!(refused, Err(SendError::HeldTooLong { .. })), "{refused:?}");
    let refused = cluster.hub().connection("c2").send("4", ()).await;
    assert!(matches!(refused, Err(SendError::HeldTooLong { .. })), "{refused:?}");
    assert_eq!(received(&cluster.here), ["3"], "this node's clients have it");
    resume(&cluster.node);
    settle().await;
    cluster.hub().all().send("5", ()).await.unwrap();
    assert_eq!(received(&cluster.there), ["5"]);
    assert_eq!((cluster.node.node.gaps(), cluster.other.node.gaps()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_between_the_return_of_the_link_and_that_of_the_others_is_held_again() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    interrupt(&cluster.other);
    pass(MAX_WAIT * 2).await;
    resume(&cluster.node);
    settle().await;
    let sending = send(&cluster, "1");
    pass(SECOND).await;
    resume(&cluster.other);
    sending.await.unwrap();
    assert_eq!(received(&cluster.there), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_later_outage_has_its_own_time() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    pass(MAX_WAIT - SECOND).await;
    resume(&cluster.node);
    settle().await;
    interrupt(&cluster.node);
    let sending = send(&cluster, "1");
    pass(MAX_WAIT - SECOND).await;
    resume(&cluster.node);
    sending.await.unwrap();
    assert_eq!(received(&cluster.there), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn what_would_take_too_many_bytes_fails_at_once_and_from_half_on_who_awaits_waits() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let (mut at_once, mut waiting) = (0, Vec::new());
    let full = loop {
        let mut sending = cluster.hub().all().send("M", ("x".repeat(100),));
        match futures_util::poll!(&mut sending) {
            std::task::Poll::Ready(Ok(())) => at_once += 1,
            std::task::Poll::Ready(Err(error)) => break error,
            std::task::Poll::Pending => waiting.push(sending),
        }
    };
    assert!(matches!(full, SendError::HeldTooMuch { limit_bytes: MAX_BYTES }), "{full:?}");
    assert!(full.to_string().contains("raise max_bytes"));
    // Each has 256 bytes beside its envelope, which has the message twice.
    assert!((50..=100).contains(&at_once) && waiting.len().abs_diff(at_once) <= 1, "{at_once}");
    let large = cluster.hub().connection("c2").send("M", ("x".repeat(MAX_BYTES),)).await;
    assert!(matches!(large, Err(SendError::HeldTooMuch { .. })), "{large:?}");
    received(&cluster.there);
    resume(&cluster.node);
    let held = at_once + waiting.len();
    for sending in waiting {
        sending.await.unwrap();
    }
    assert_eq!(received(&cluster.there).len(), held);
    assert_eq!(cluster.node.node.discarded_messages(), 0, "whose send failed was never held");
    // All of it has room again.
    interrupt(&cluster.node);
    cluster.hub().all().send("M", ("x".repeat(MAX_BYTES / 8),)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_the_link_a_while_if_something_is_held_and_not_at_all_otherwise() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let begun = Instant::now();
    until_in_time(cluster.node.node.shut_down()).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);

    for forever in [false, true] {
        let max_wait = if forever { Duration::MAX } else { MAX_WAIT };
        let cluster = Cluster::start_with(|| hub_with(Outage::Hold { max_bytes: MAX_BYTES, max_wait })).await;
        interrupt(&cluster.node);
        let held = send(&cluster, "1");
        let begun = Instant::now();
        let ((), discarded) = tokio::join!(until_in_time(cluster.node.node.shut_down()), held);
        assert_eq!(begun.elapsed(), SHUTDOWN_TIMEOUT);
        assert!(discarded.unwrap_err().to_string().contains("shuts down"));
        assert!(cluster.hub().all().send("2", ()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_goes_out_where_the_link_is_back_while_the_node_shuts_down() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let held = send(&cluster, "1");
    let back = async {
        pass(SECOND).await;
        resume(&cluster.node);
        pass(SECOND).await;
    };
    let ((), (), sent) = tokio::join!(until_in_time(cluster.node.node.shut_down()), back, held);
    sent.unwrap();
    assert_eq!(received(&cluster.there), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dropped_in_an_outage_is_freed_with_what_it_holds() {
    let cluster =
        Cluster::start_with(|| hub_with(Outage::Hold { max_bytes: MAX_BYTES, max_wait: Duration::MAX }))
            .await;
    interrupt(&cluster.node);
    let held = send(&cluster, "1");
    settle().await;
    let Cluster { node, .. } = cluster;
    let (engine, context) = (Arc::downgrade(&node.engine), Arc::downgrade(&node.engine.context));
    drop(node);
    settle().await;
    assert!(engine.upgrade().is_none() && context.upgrade().is_none());
    assert!(held.await.is_err());
}
