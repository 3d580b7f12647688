//! A connection of another node is invoked and aborted like one of the same node.

use hubward::ClientResultError;
use hubward_tests::{eventually, within};
use serde_json::{Value, json};

use crate::Pair;

#[tokio::test]
async fn a_client_of_another_node_is_invoked_like_any_other() {
    let pair = Pair::start().await;
    let mut client = pair.client(0).await;
    let far = pair.hubs[1].connection(client.id.as_str());

    let (result, ()) = tokio::join!(far.invoke::<i64>("Add", (2, 3)), async {
        let invocation = client.invoked("Add").await;
        assert_eq!(invocation["arguments"], json!([2, 3]));
        client.complete(&invocation, json!(5)).await;
    });
    assert_eq!(result.unwrap(), 5);

    let (result, ()) = tokio::join!(far.invoke::<()>("Do", ()), async {
        let id = client.invoked("Do").await["invocationId"].clone();
        client.send(&json!({ "type": 3, "invocationId": id })).await;
    });
    result.unwrap();

    let (result, ()) = tokio::join!(far.invoke::<i64>("Add", ()), async {
        let id = client.invoked("Add").await["invocationId"].clone();
        client.send(&json!({ "type": 3, "invocationId": id, "error": "No idea." })).await;
    });
    assert!(matches!(&result, Err(ClientResultError::Failed(text)) if text == "No idea."), "{result:?}");

    let (result, ()) = tokio::join!(far.invoke::<i64>("Add", ()), async {
        let invocation = client.invoked("Add").await;
        client.complete(&invocation, json!("five")).await;
    });
    assert!(matches!(result, Err(ClientResultError::Decode(_))), "{result:?}");

    let nobody = pair.hubs[1].connection("nobody").invoke::<Value>("Add", ()).await;
    assert!(matches!(nobody, Err(ClientResultError::NotFound(_))), "{nobody:?}");

    // The caller drops its future: the result that comes all the same is skipped.
    let invocation = tokio::select! {
        result = far.invoke::<i64>("Add", (1,)) => panic!("no result was sent, but {result:?} came"),
        invocation = client.invoked("Add") => invocation,
    };
    client.complete(&invocation, json!(1)).await;
    assert_eq!(client.result("Echo", json!(["still here"])).await, "still here");

    let (result, ()) = tokio::join!(within("the result", far.invoke::<i64>("Add", ())), async {
        client.invoked("Add").await;
        client.close().await;
    });
    assert!(matches!(result, Err(ClientResultError::Disconnected(_))), "{result:?}");
    eventually("the connection to be forgotten", async || {
        matches!(far.invoke::<i64>("Add", ()).await, Err(ClientResultError::NotFound(_)))
    })
    .await;
}

#[tokio::test]
async fn a_connection_of_another_node_is_aborted() {
    let pair = Pair::start().await;
    let mut client = pair.client(0).await;
    pair.hubs[1].connection(client.id.as_str()).abort().await.unwrap();
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7 })));
}
