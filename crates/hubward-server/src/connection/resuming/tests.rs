//! `on_resumed`: when it runs, and what waits for it.

use std::time::Duration;

use futures_util::FutureExt;
use hubward_hub::{DisconnectReason, Disconnected, Hub, HubError};
use hubward_transport::testing::Resumption;
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;
use crate::testing::client::TestClient;
use crate::testing::moving_node::MovingNode;
use crate::testing::{Journal, until_ended, until_idle};

/// A hub whose callbacks are noted; `on_resumed` waits until a test lets it go on.
fn hub(journal: &Journal, go_on: &Arc<Semaphore>) -> Hub {
    let (connected, resumed, disconnected) = (journal.clone(), journal.clone(), journal.clone());
    let go_on = go_on.clone();
    Hub::new("hub")
        .method("Add", async |a: i32, b: i32| a + b)
        .on_connected(move || connected.noting("connected"))
        .on_resumed(move || {
            let (resumed, go_on) = (resumed.clone(), go_on.clone());
            async move {
                resumed.note("resuming");
                go_on.acquire().await.unwrap().forget();
                resumed.note("resumed");
            }
        })
        .on_disconnected(move || disconnected.noting("disconnected"))
}

struct Node {
    node: MovingNode,
    journal: Journal,
    go_on: Arc<Semaphore>,
}

impl Node {
    fn new() -> Self {
        let (journal, go_on) = (Journal::default(), Arc::new(Semaphore::new(0)));
        Self { node: MovingNode::new(hub(&journal, &go_on)), journal, go_on }
    }
}

/// Opens a connection, and cuts it.
async fn connect(node: &MovingNode, journal: &Journal) -> Resumption {
    let (mut client, resumption) = node.connect("c1", Principal::anonymous()).await;
    until_idle().await;
    assert_eq!(journal.take(), ["connected"]);
    client.cut();
    until_idle().await;
    resumption
}

async fn resume(node: &MovingNode, resumption: &Resumption) -> TestClient {
    let mut client = node.resume(resumption);
    client.send(&json!({ "type": 9, "sequenceId": 1 })).await;
    assert_eq!(client.message().await, json!({ "type": 9, "sequenceId": 1 }));
    client
}

#[tokio::test(start_paused = true)]
async fn it_runs_when_a_client_comes_back_and_calls_wait_for_it() {
    let Node { node, journal, go_on } = &Node::new();
    let resumption = connect(node, journal).await;
    let mut client = resume(node, &resumption).await;
    client.invoke("1", "Add", json!([1, 2])).await;
    until_idle().await;
    assert_eq!(journal.take(), ["resuming"]);
    assert!(client.message().now_or_never().is_none(), "the call waits");
    go_on.add_permits(1);
    assert_eq!(client.message().await["result"], 3);
    assert_eq!(journal.take(), ["resumed"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_again_meanwhile_has_it_run_again() {
    let Node { node, journal, go_on } = &Node::new();
    let resumption = connect(node, journal).await;
    for _ in 0..3 {
        drop(resume(node, &resumption).await);
        until_idle().await;
    }
    assert_eq!(journal.take(), ["resuming"]);
    go_on.add_permits(2);
    until_idle().await;
    assert_eq!(journal.take(), ["resumed", "resuming", "resumed"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_before_on_connected_is_done_has_it_run_after_that() {
    let (journal, go_on) = (Journal::default(), Arc::new(Semaphore::new(0)));
    let (connected, resumed, held) = (journal.clone(), journal.clone(), go_on.clone());
    let hub = Hub::new("hub")
        .on_connected(move || {
            let (connected, held) = (connected.clone(), held.clone());
            async move {
                held.acquire().await.unwrap().forget();
                connected.note("connected");
            }
        })
        .on_resumed(move || resumed.noting("resumed"));
    let node = MovingNode::new(hub);
    let (mut client, resumption) = node.connect("c1", Principal::anonymous()).await;
    client.cut();
    let _client = resume(&node, &resumption).await;
    until_idle().await;
    assert_eq!(journal.take(), [""; 0]);
    go_on.add_permits(1);
    until_idle().await;
    assert_eq!(journal.take(), ["connected", "resumed"]);
}

#[tokio::test(start_paused = true)]
async fn its_error_closes_the_connection_with_leave_to_reconnect() {
    let journal = Journal::default();
    let noted = journal.clone();
    let hub = Hub::new("hub")
        .on_resumed(async || Err::<(), _>(HubError::shown("The ward is closed.")))
        .on_disconnected(move |end: Disconnected| noted.noting(format!("{:?}", end.reason)));
    let node = MovingNode::new(hub);
    let (mut client, resumption) = node.connect("c1", Principal::anonymous()).await;
    client.cut();
    until_idle().await;
    let mut client = resume(&node, &resumption).await;
    let error = "Connection closed with an error. HubException: The ward is closed.";
    client.expect_close(json!({ "type": 7, "error": error, "allowReconnect": true })).await;
    drop(client);
    until_ended(&node.engine).await;
    assert_eq!(journal.take(), [format!("{:?}", DisconnectReason::ResumeFailed(error.to_owned()))]);
}

#[tokio::test(start_paused = true)]
async fn it_comes_to_its_end_before_on_disconnected_where_the_connection_closes_meanwhile() {
    let Node { node, journal, go_on } = &Node::new();
    let resumption = connect(node, journal).await;
    drop(resume(node, &resumption).await);
    until_idle().await;
    assert_eq!(journal.take(), ["resuming"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(journal.take(), [""; 0]);
    go_on.add_permits(1);
    until_ended(&node.engine).await;
    assert_eq!(journal.take(), ["resumed", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn its_own_client_cannot_give_it_a_result_which_would_wait_for_itself() {
    let journal = Journal::default();
    let noted = journal.clone();
    let hub = Hub::new("hub").on_resumed(move |cx: HubContext| {
        let noted = noted.clone();
        async move {
            let asked = cx.clients().caller().invoke::<u32>("Number", ()).await;
            noted.note(format!("{:?}", asked.err()));
        }
    });
    let node = MovingNode::new(hub);
    let (mut client, resumption) = node.connect("c1", Principal::anonymous()).await;
    client.cut();
    until_idle().await;
    let _client = resume(&node, &resumption).await;
    until_idle().await;
    assert_eq!(journal.take(), ["Some(WhileConnecting)"]);
}
