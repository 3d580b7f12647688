//! Sessions that are parked while the store does not answer.

use super::*;
use crate::handover::parking::{NotParked, Parking};

/// How long the store is silent: longer than a call may take.
const SILENT: Duration = Duration::from_millis(5_500);

/// Lets a node's store call have its effect, but answer too late.
async fn silent_for_a_time<T>(nodes: &Nodes, calling: impl Future<Output = T>) -> T {
    nodes.store.replying.hold();
    let silent = async {
        tokio::time::sleep(SILENT).await;
        nodes.store.replying.release();
    };
    tokio::join!(calling, silent).0
}

#[tokio::test(start_paused = true)]
async fn a_session_that_went_on_is_not_taken_later_as_it_was_when_it_was_parked() {
    let (mut nodes, mut client) = one_session(1).await;
    assert_eq!(silent_for_a_time(&nodes, nodes.drain(0)).await, STAYED);
    check_reached(&nodes, &mut client).await;
    nodes.nodes[0].node.node.shut_down().await;
    nodes.add(nodes::hub(), Arc::default()).await;
    assert!(!nodes.unpark(1, "c1").await, "what it was is over");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(nodes.recorded("c1").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_may_be_parked_and_cannot_be_replaced_starts_anew() {
    let (nodes, mut client) = one_session(1).await;
    nodes.store.changing.set_losing_replies(true);
    assert_eq!(nodes.drain(0).await, UNCLEAR);
    nodes.store.changing.set_losing_replies(false);
    assert_eq!(client.text(&nodes).await, None);
    assert!(client.end.contains("allowReconnect"), "{}", client.end);
}

#[tokio::test(start_paused = true)]
async fn the_room_of_a_session_that_is_not_parked_comes_back() {
    let (nodes, _client) = one_session(1).await;
    let (parking, leaving) = (Parking::default(), nodes.take("c1").await);
    let parked = silent_for_a_time(&nodes, parking.park(&nodes.seals(), leaving)).await;
    let Err(NotParked::Stays(leaving)) = parked else { panic!("it was parked") };
    assert_eq!(parking.bytes(), 0);
    leaving.handle.mailbox.stay();
    assert!(parking.park(&nodes.seals(), *leaving).await.is_ok());
    assert!(parking.bytes() > 0, "it has room now");
}

/// A session of a node that has gone, parked, and another node.
async fn parked() -> (Nodes, ReturningClient) {
    let (mut nodes, client) = one_session(1).await;
    assert_eq!(nodes.drain(0).await, HandedOver { parked: 1, ..HandedOver::default() });
    nodes.nodes[0].node.node.shut_down().await;
    nodes.add(nodes::hub(), Arc::default()).await;
    (nodes, client)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_taken_without_an_answer_is_taken_again() {
    let (nodes, mut client) = parked().await;
    assert!(silent_for_a_time(&nodes, nodes.unpark(1, "c1")).await);
    nodes.send(1, &group("ward"), "after");
    assert_eq!(client.text(&nodes).await.as_deref(), Some("after"));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_taken_and_never_came_leaves_no_record() {
    let (nodes, _client) = parked().await;
    nodes.store.changing.set_losing_replies(true);
    assert!(!nodes.unpark(1, "c1").await);
    nodes.store.changing.set_losing_replies(false);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(nodes.recorded("c1").await, None);
}
