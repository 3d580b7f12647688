//! Which error a caller receives of a call that failed.

use serde_json::{Value, json};

use crate::{UNEXPECTED, node_with};

#[tokio::test]
async fn hidden_errors_are_shown_only_where_details_are_on() {
    let node = node_with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(client.result("Divide", json!([6, 3])).await, 2);
    assert_eq!(client.error("Divide", json!([1, 0])).await, format!("{UNEXPECTED} 'Divide' on the server."));
    assert_eq!(
        client.error("Divide", json!([1])).await,
        "Failed to invoke 'Divide' due to an error on the server."
    );
    assert_eq!(
        client.error("divide", json!(["1", "2"])).await,
        "Failed to invoke 'divide' due to an error on the server."
    );
    assert_eq!(
        client.error("Nothing", json!([])).await,
        "Failed to invoke 'Nothing' due to an error on the server. HubException: Method does not exist."
    );

    let node = node_with(|options| options.detailed_errors = true).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Divide", json!([1, 0])).await,
        format!("{UNEXPECTED} 'Divide' on the server. DivideByZero: the divisor is a secret")
    );
    assert_eq!(
        client.error("Divide", json!([1])).await,
        "Failed to invoke 'Divide' due to an error on the server. InvalidDataException: Invocation provides 1 argument(s) but target expects 2."
    );
    assert_eq!(
        client.error("Divide", json!(["1", "2"])).await,
        "Failed to invoke 'Divide' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
    );
}

#[tokio::test]
async fn a_panic_ends_its_call_and_nothing_else() {
    let node = node_with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    for text in ["at once", "late"] {
        assert_eq!(
            client.error("Panics", json!([text])).await,
            format!("{UNEXPECTED} 'Panics' on the server.")
        );
        assert_eq!(client.result("Echo", json!(["on"])).await, "on");
    }
    let failing = client.begin_stream("Failing", json!([])).await;
    assert_eq!(
        client.completion(&failing).await["error"],
        "An error occurred on the server while streaming results. HubException: No more."
    );
    // A call without an id has no completion.
    client.send(&json!({ "type": 1, "target": "Panics", "arguments": ["silent"] })).await;
    client.receive().await; // the item before the failure
    assert!(client.has_nothing_after("Echo", json!(["x"])).await);
}

#[tokio::test]
async fn a_call_of_the_wrong_kind_fails_with_an_error_that_says_so() {
    let node = node_with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Endless", json!([])).await,
        "The client attempted to invoke the streaming 'Endless' method with a non-streaming invocation."
    );
    let id = client.begin_stream("Echo", json!(["x"])).await;
    assert_eq!(
        client.completion(&id).await["error"],
        "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation."
    );
    let (id, _) = client.begin_upload("Echo", json!(["x"])).await;
    assert_eq!(
        client.completion(&id).await["error"],
        format!(
            "{UNEXPECTED} 'Echo' on the server. HubException: Client sent 1 stream(s), Hub method expects 0."
        )
    );
}

#[tokio::test]
async fn a_call_without_an_id_never_has_a_completion() {
    let node = node_with(|_| {}).await;
    let mut client = node.client("/hub").open().await;
    let without_id = [
        json!({ "type": 1, "target": "Echo", "arguments": ["x"] }),
        json!({ "type": 1, "target": "Echo", "arguments": [] }),
        json!({ "type": 1, "target": "Divide", "arguments": [1, 0] }),
        json!({ "type": 1, "target": "Nothing", "arguments": [] }),
        json!({ "type": 1, "target": "Endless", "arguments": [] }),
        json!({ "type": 1, "invocationId": "", "target": "Echo", "arguments": [Value::Null] }),
    ];
    for call in &without_id {
        client.send(call).await;
    }
    assert!(client.has_nothing_after("Echo", json!(["x"])).await);
}
