//! A hub sends to its clients and invokes them, from a call and from outside.

use hubward::{ClientResultError, Hub, HubContext, HubError};
use hubward_tests::{TestNode, eventually, token};
use serde_json::{Value, json};

use crate::echo;

#[tokio::test]
async fn a_handle_reaches_the_hubs_clients_from_outside_of_it() {
    let node = TestNode::with_hub(Hub::new("hub").method("Echo", echo)).await;
    assert!(node.hubs.hub("none").is_none());
    let hub = node.handle();
    let alice = token("alice", &[]);
    let mut first = node.client("/hub").token(&alice).open().await;
    let mut second = node.client("/hub").token(&alice).open().await;
    let mut third = node.client("/hub").open().await;
    eventually("all three", async || node.hubs.connection_count("hub") == 3).await;

    hub.groups().add_connection(first.id.as_str(), "g").await.unwrap();
    hub.all().send("N", (1,)).await.unwrap();
    hub.user("alice").send("N", (2,)).await.unwrap();
    hub.group("g").send("N", (3,)).await.unwrap();
    hub.connection(third.id.as_str()).send("N", (4,)).await.unwrap();
    hub.all_except([first.id.as_str()]).send("N", (5,)).await.unwrap();
    hub.clients().users(["alice", "bob"]).send("N", (6,)).await.unwrap();
    hub.connections([&first.id, &third.id]).send("N", (7,)).await.unwrap();
    hub.clients().groups(["g", "h"]).send("N", (8,)).await.unwrap();
    hub.all().send("N", (0,)).await.unwrap();
    for (client, expected) in [
        (&mut first, vec![1, 2, 3, 6, 7, 8]),
        (&mut second, vec![1, 2, 5, 6]),
        (&mut third, vec![1, 4, 5, 7]),
    ] {
        for expected in expected.into_iter().chain([0]) {
            assert_eq!(client.arguments("N").await, json!([expected]));
        }
    }

    let last = hub.connection(third.id.as_str());
    let (result, ()) = tokio::join!(last.invoke::<i64>("Add", (2, 3)), async {
        let invocation = third.invoked("Add").await;
        assert_eq!(invocation["arguments"], json!([2, 3]));
        third.complete(&invocation, json!(5)).await;
    });
    assert_eq!(result.unwrap(), 5);
    let nobody = hub.connection("nobody").invoke::<Value>("Add", ()).await;
    assert!(matches!(nobody, Err(ClientResultError::NotFound(_))), "{nobody:?}");
    last.abort().await.unwrap();
    assert_eq!(third.ended().await.close, Some(json!({ "type": 7 })));
}

#[tokio::test]
async fn a_hub_may_invoke_its_caller_and_goes_on_with_the_callers_next_calls() {
    async fn confirm(cx: HubContext) -> Result<bool, HubError> {
        Ok(cx.clients().caller().invoke::<bool>("Sure", ()).await?)
    }
    async fn too_early(cx: HubContext) -> Result<(), HubError> {
        let result = cx.clients().caller().invoke::<bool>("Sure", ()).await;
        assert!(matches!(result, Err(ClientResultError::WhileConnecting)), "{result:?}");
        Ok(())
    }
    let node = TestNode::with_hub(
        Hub::new("hub").on_connected(too_early).method("Confirm", confirm).method("Echo", echo),
    )
    .await;
    let mut client = node.client("/hub").open().await;
    let call = client.begin("Confirm", json!([])).await;
    let invocation = client.invoked("Sure").await;
    assert_eq!(client.result("Echo", json!(["meanwhile"])).await, "meanwhile");
    client.complete(&invocation, json!(true)).await;
    assert_eq!(client.completion(&call).await["result"], true);

    let call = client.begin("Confirm", json!([])).await;
    let invocation = client.invoked("Sure").await;
    let id = invocation["invocationId"].clone();
    client.send(&json!({ "type": 3, "invocationId": id, "error": "No idea." })).await;
    assert_eq!(
        client.completion(&call).await["error"],
        "An unexpected error occurred invoking 'Confirm' on the server. HubException: No idea."
    );
    // A result that nothing waits for is skipped.
    client.complete(&invocation, json!(true)).await;
    assert_eq!(client.result("Echo", json!(["still here"])).await, "still here");
}
