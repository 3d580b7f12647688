//! Tests of client results, of this node's clients and of another node's.

use std::time::Duration;

use futures_util::FutureExt;
use hubward_backplane::MAX_ENVELOPE_BYTES;
use hubward_hub::{ClientResult, Hub};
use hubward_types::Principal;
use serde_json::{Value, json};

use super::*;
use crate::testing::calls::TestCall;
use crate::testing::cluster::{TestNode, settle};
use crate::testing::{engine, handle, handle_of, take_frames, take_mail};

fn invoke_c1(engine: &Arc<Engine>) -> ClientResult<i32> {
    engine.handle().clients().connection("c1").invoke("Add", (2, 3))
}

/// Waits for a result that is on its way.
async fn in_time(result: ClientResult<i32>) -> Result<i32, ClientResultError> {
    tokio::time::timeout(Duration::from_secs(60), result).await.expect("there is no result")
}

/// Takes the invocation that a client was sent, and returns its id.
fn take_invocation(connection: &ConnectionHandle) -> String {
    let (messages, _) = take_mail(connection);
    let [message] = &messages[..] else { panic!("one invocation was expected, not {messages:?}") };
    let message: Value = serde_json::from_str(message).unwrap();
    let id = message["invocationId"].as_str().unwrap().to_owned();
    let expected = json!({ "type": 1, "invocationId": id, "target": "Add", "arguments": [2, 3] });
    assert_eq!(message, expected);
    id
}

/// What a client completes the invocation with, and what its caller gets.
fn outcomes() -> [(Reply, &'static str); 3] {
    [
        (Reply::Value(Protocol::Json, b"5".to_vec()), "Ok(5)"),
        (Reply::Void, "Err(NoResult)"),
        (Reply::Error("no idea".to_owned()), "Err(Failed(\"no idea\"))"),
    ]
}

/// The node whose client is invoked from another node.
struct Owner {
    caller: TestNode,
    owner: TestNode,
    connection: Arc<ConnectionHandle>,
}

async fn start() -> Owner {
    let (caller, owner) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = handle("c1");
    owner.open(&connection).await;
    caller.backplane.take_calls();
    Owner { caller, owner, connection }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_of_this_node_completes_an_invocation_with_is_the_result() {
    let (engine, connection) = (engine(Hub::new("hub")), handle("c1"));
    engine.index.add(&connection);
    for (reply, expected) in outcomes() {
        let mut result = invoke_c1(&engine);
        assert!((&mut result).now_or_never().is_none());
        assert!(connection.resolve_result(&take_invocation(&connection), || reply));
        assert_eq!(format!("{:?}", in_time(result).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn results_of_several_invocations_come_in_any_order() {
    let (engine, connection) = (engine(Hub::new("hub")), handle("c1"));
    engine.index.add(&connection);
    let (mut first, mut second) = (invoke_c1(&engine), invoke_c1(&engine));
    assert!((&mut first).now_or_never().is_none());
    let first_id = take_invocation(&connection);
    assert!((&mut second).now_or_never().is_none());
    let second_id = take_invocation(&connection);
    assert_ne!(first_id, second_id);
    assert!(connection.resolve_result(&second_id, || Reply::Value(Protocol::Json, b"2".to_vec())));
    assert!(connection.resolve_result(&first_id, || Reply::Value(Protocol::Json, b"1".to_vec())));
    assert_eq!((in_time(first).await.unwrap(), in_time(second).await.unwrap()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_before_it_completes_has_disconnected() {
    let (engine, connection) = (engine(Hub::new("hub")), handle("c1"));
    engine.index.add(&connection);
    let mut waiting = invoke_c1(&engine);
    assert!((&mut waiting).now_or_never().is_none());
    connection.set_closed();
    assert!(matches!(in_time(waiting).await, Err(ClientResultError::Disconnected(id)) if id == "c1"));
    assert!(
        matches!(in_time(invoke_c1(&engine)).await, Err(ClientResultError::Disconnected(id)) if id == "c1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_leaves_nothing_behind() {
    let (engine, connection) = (engine(Hub::new("hub")), handle("c1"));
    engine.index.add(&connection);
    let mut result = invoke_c1(&engine);
    assert!((&mut result).now_or_never().is_none());
    let id = take_invocation(&connection);
    assert_eq!(connection.pending_results(), 1);
    drop(result);
    assert_eq!(connection.pending_results(), 0);
    assert!(!connection.resolve_result(&id, || Reply::Void));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_large_for_the_other_node_is_an_error_there_at_once() {
    let Owner { caller, owner: _owner, connection } = start().await;
    let mut result = invoke_c1(&caller.engine);
    assert!((&mut result).now_or_never().is_none());
    settle().await;
    let value = vec![b'1'; MAX_ENVELOPE_BYTES];
    assert!(connection.resolve_result(&take_invocation(&connection), || Reply::Value(Protocol::Json, value)));
    settle().await;
    let result = result.now_or_never().expect("there is no result").unwrap_err().to_string();
    assert!(result.contains("too large for another node"), "{result}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_no_node_has_is_not_found() {
    let alone = engine(Hub::new("hub"));
    assert!(matches!(in_time(invoke_c1(&alone)).await, Err(ClientResultError::NotFound(id)) if id == "c1"));
    let Owner { caller, owner, connection } = start().await;
    owner.close(&connection).await;
    assert!(
        matches!(in_time(invoke_c1(&caller.engine)).await, Err(ClientResultError::NotFound(id)) if id == "c1")
    );
    assert!(caller.backplane.take_calls().is_empty(), "there is nobody to ask");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_cannot_be_encoded_is_not_sent() {
    let Owner { caller, owner, connection } = start().await;
    let call = TestCall::failing_in(&[Protocol::Json]);
    let here = invoke(&owner.engine, &connection.id, &call, None, None).await;
    assert!(matches!(here, Err(ClientResultError::Send(SendError::Encode { method, .. })) if method == "M"));
    let elsewhere = invoke(&caller.engine, &connection.id, &call, None, None).await;
    assert!(
        matches!(elsewhere, Err(ClientResultError::Send(SendError::Encode { method, .. })) if method == "M")
    );
    assert!(take_frames(&connection).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_client_of_another_node_completes_an_invocation_with_is_the_result() {
    let Owner { caller, owner, connection } = start().await;
    for (reply, expected) in outcomes() {
        let mut result = invoke_c1(&caller.engine);
        assert!((&mut result).now_or_never().is_none());
        settle().await;
        assert_eq!(owner.engine.forwarded.len(), 1);
        assert!(connection.resolve_result(&take_invocation(&connection), || reply));
        assert_eq!(format!("{:?}", in_time(result).await), expected);
        settle().await;
        assert_eq!(owner.engine.forwarded.len(), 0);
    }
    // A result that has come is not cancelled.
    assert_eq!(caller.backplane.take_calls(), ["publish node node-2"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_node_is_invoked_in_its_own_protocol() {
    let (caller, owner) = TestNode::start_two(|| Hub::new("hub")).await;
    let connection = handle_of("c1", Principal::anonymous(), Protocol::MessagePack);
    owner.open(&connection).await;
    let mut result = invoke_c1(&caller.engine);
    assert!((&mut result).now_or_never().is_none());
    settle().await;
    let id = "node-1-1";
    let invocation = hubward_proto::encode::invocation(Protocol::MessagePack, Some(id), "Add", &(2, 3));
    assert_eq!(take_frames(&connection), [invocation.unwrap()]);
    assert!(connection.resolve_result(id, || Reply::Value(Protocol::MessagePack, vec![5])));
    assert_eq!(in_time(result).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_node_that_closes_before_it_completes_has_disconnected() {
    let Owner { caller, owner, connection } = start().await;
    let mut result = invoke_c1(&caller.engine);
    assert!((&mut result).now_or_never().is_none());
    settle().await;
    owner.close(&connection).await;
    assert!(matches!(in_time(result).await, Err(ClientResultError::Disconnected(id)) if id == "c1"));
    assert_eq!(owner.engine.forwarded.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_the_node_that_was_reached_is_not_found() {
    let Owner { caller, owner, connection } = start().await;
    // Gone, and its record not yet removed.
    owner.engine.index.remove(&connection);
    assert!(
        matches!(in_time(invoke_c1(&caller.engine)).await, Err(ClientResultError::NotFound(id)) if id == "c1")
    );
    settle().await;
    assert_eq!(owner.engine.forwarded.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_for_a_client_of_another_node_cancels_there() {
    let Owner { caller, owner, connection } = start().await;
    let mut result = invoke_c1(&caller.engine);
    assert!((&mut result).now_or_never().is_none());
    settle().await;
    let id = take_invocation(&connection);
    drop(result);
    settle().await;
    assert_eq!((owner.engine.forwarded.len(), connection.pending_results()), (0, 0));
    assert!(!connection.resolve_result(&id, || Reply::Void));
    assert_eq!(caller.backplane.take_calls(), ["publish node node-2"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_backplane_that_fails_is_an_error() {
    let Owner { caller, owner: _owner, connection } = start().await;
    caller.backplane.publishing.set_failing(true);
    let result = in_time(invoke_c1(&caller.engine)).await;
    assert!(matches!(result, Err(ClientResultError::Send(SendError::Backplane { .. }))));
    assert!(take_frames(&connection).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_result_in_a_protocol_that_is_not_known_counts_as_disconnected() {
    let Owner { caller, owner, .. } = start().await;
    let mut result = invoke_c1(&caller.engine);
    assert!((&mut result).now_or_never().is_none());
    let outcome = ClientResultOutcome::Result { protocol: 9, bytes: "5".into() };
    // The number before the next one.
    let id = caller.engine.context.pending.client_results.expect(&"nobody".into()).id - 1;
    let envelope = owner.engine.context.envelope(None, Body::ClientResult { id, outcome });
    let backplane = owner.engine.context.backplane.as_ref().unwrap();
    backplane.publish(vec![Topic::Node(caller.node.id().clone())], envelope).await.unwrap();
    assert!(matches!(in_time(result).await, Err(ClientResultError::Disconnected(id)) if id == "c1"));
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_node_has_as_much_time_and_nothing_is_left_behind_there() {
    let Owner { caller, owner, connection } = start().await;
    let result = invoke_c1(&caller.engine);
    assert!(matches!(in_time(result).await, Err(ClientResultError::TimedOut(id)) if id == "c1"));
    settle().await;
    assert_eq!((owner.engine.forwarded.len(), connection.pending_results()), (0, 0));
    // Also where the node that waits is gone.
    let mut result = invoke_c1(&caller.engine);
    assert!((&mut result).now_or_never().is_none());
    settle().await;
    caller.backplane.publishing.set_failing(true);
    drop(result);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((owner.engine.forwarded.len(), connection.pending_results()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_results_of_a_client_of_another_node_are_waited_for_than_the_limit() {
    let Owner { caller, owner: _owner, connection } = start().await;
    let limit = hubward_hub::HubOptions::default().client_results_per_connection;
    let results = (0..=limit).map(|_| invoke_c1(&caller.engine));
    let results = in_time_all(results).await;
    let too_many = results.iter().filter(|result| matches!(result, Err(ClientResultError::TooMany(_))));
    assert_eq!((too_many.count(), take_frames(&connection).len()), (1, limit));
}

async fn in_time_all(
    results: impl Iterator<Item = ClientResult<i32>>,
) -> Vec<Result<i32, ClientResultError>> {
    futures_util::future::join_all(results.map(in_time)).await
}
