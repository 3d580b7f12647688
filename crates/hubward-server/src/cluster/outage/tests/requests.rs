//! What is asked of other nodes in an outage: it fails at once or in time, or is asked again; none of it hangs.

use hubward_hub::{ClientResultError, GroupError};

use super::*;
use crate::testing::{pass, until_in_time};

/// Lets hub code ask in a task of its own, and returns whether that has ended.
fn asking<T: Send + 'static>(
    node: &TestNode,
    ask: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    node.engine.context.tasks.spawn(ask)
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_while_the_link_is_interrupted_fails_at_once() {
    let cluster = Cluster::start().await;
    interrupt(&cluster.node);
    let (hub, begun) = (cluster.hub(), Instant::now());
    let joined = hub.groups().add_connection("c1", "h").await;
    assert!(matches!(joined, Err(GroupError::Backplane { .. })), "{joined:?}");
    let left = hub.groups().remove_connection("c1", "g").await;
    assert!(matches!(left, Err(GroupError::Backplane { .. })), "{left:?}");
    let added = hub.groups().add_user("alice", "h", None).await;
    assert!(matches!(added, Err(GroupError::Backplane { .. })), "{added:?}");
    assert!(hub.connection("c1").abort().await.is_err());
    let asked = hub.connection("c1").invoke::<i32>("Ask", ()).await;
    assert!(matches!(asked, Err(ClientResultError::Send(_))), "{asked:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_is_asked_again_afterwards_or_fails_in_time() {
    let timeout = HubOptions::default().confirmation_timeout;
    for (gap, in_time) in [(SECOND, true), (timeout * 2, false)] {
        for reply_is_lost in [false, true] {
            let cluster = Cluster::start().await;
            let whose = if reply_is_lost { &cluster.node } else { &cluster.other };
            let (hub, begun) = (cluster.hub(), Instant::now());
            cluster.other.network.hold(cluster.other.node.id());
            let joining = asking(&cluster.node, async move { hub.groups().add_connection("c1", "h").await });
            settle().await;
            interrupt(whose);
            cluster.other.network.release(cluster.other.node.id());
            pass(gap).await;
            assert_eq!(!cluster.other.delivered_to("h").is_empty(), reply_is_lost);
            resume(whose);
            let joined = until_in_time(joining).await.unwrap();
            let expected =
                if in_time { joined.is_ok() } else { matches!(joined, Err(GroupError::NoConfirmation)) };
            assert!(expected && begun.elapsed() <= timeout.max(gap) + SECOND, "{joined:?}");
            assert_eq!(!cluster.other.delivered_to("h").is_empty(), in_time || reply_is_lost);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_result_that_is_waited_for_ends_when_the_link_is_whole_and_in_time_where_it_is_not() {
    let timeout = HubOptions::default().client_result_timeout;
    for returns in [true, false] {
        let cluster = Cluster::start().await;
        let (hub, begun) = (cluster.hub(), Instant::now());
        let asking =
            asking(&cluster.node, async move { hub.connection("c1").invoke::<i32>("Ask", ()).await });
        settle().await;
        assert_eq!(cluster.there.pending_results(), 1);
        interrupt(&cluster.node);
        if returns {
            pass(SECOND).await;
            resume(&cluster.node);
        }
        let asked = until_in_time(asking).await.unwrap();
        match asked {
            Err(ClientResultError::Interrupted(_)) if returns => assert!(begun.elapsed() < 2 * SECOND),
            Err(ClientResultError::TimedOut(_)) if !returns => assert!(begun.elapsed() <= timeout + SECOND),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leave_in_an_outage_takes_effect_on_this_node_and_is_recorded_afterwards() {
    let cluster = Cluster::start().await;
    cluster.node.join(&cluster.here, "g").await;
    interrupt(&cluster.node);
    cluster.node.store.changing.set_failing(true);
    let change = crate::membership::connection::Change::Leave;
    assert!(cluster.node.change(&cluster.here, "g", change).await.is_err());
    assert!(cluster.node.delivered_to("g").is_empty());
    assert_eq!(cluster.node.recorded_in("g").await, 2);
    cluster.node.store.changing.set_failing(false);
    resume(&cluster.node);
    pass(10 * SECOND).await;
    assert_eq!(cluster.node.recorded_in("g").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_join_in_an_outage_fails_and_nothing_is_delivered_for_it() {
    let cluster = Cluster::start().await;
    // The store can be reached, and the link is interrupted; or the other way round.
    for link in [true, false] {
        if link {
            interrupt(&cluster.node);
        }
        cluster.node.store.changing.set_failing(!link);
        let change = crate::membership::connection::Change::Join;
        assert!(cluster.node.change(&cluster.here, "new", change).await.is_err());
        assert!(cluster.node.delivered_to("new").is_empty());
        cluster.node.store.changing.set_failing(false);
        resume(&cluster.node);
        pass(10 * SECOND).await;
        assert_eq!(cluster.node.recorded_in("new").await, 0);
    }
}
