//! Distributed traces across nodes: what a call causes on other nodes is in their logs with the trace of the call.

use hubward_testing::redis::{RedisOptions, RedisServer};
use serde_json::json;

use crate::nodes::{Nodes, PREFIX, call, text};

const TRACE_ID: &str = "trace_id=0af7651916cd43dd8448eb211c80319c";
const PARENT_ID: &str = "parent_id=b7ad6b7169203331";

#[tokio::test]
async fn what_a_call_causes_on_other_nodes_is_in_their_logs_with_its_trace() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let arguments = ["--redis", &redis.url(), "--redis-prefix", PREFIX];
    let mut nodes = Nodes::start_logging("warn,hubward_server=trace", 3, &arguments).await;
    let mut clients = nodes.clients().await;
    for client in &mut clients[1..] {
        call(client, "Join", json!(["g"])).await;
    }
    // The others' messages, and what else they do, are in no trace.
    call(&mut clients[0], "ToGroup", json!(["g", "before"])).await;
    let id = clients[2].id.clone();
    for (method, arguments) in [("ToGroup", json!(["g", "traced"])), ("JoinConnection", json!([id, "h"]))] {
        let headers = json!({ "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" });
        let traced = json!({
            "type": 1, "invocationId": method, "target": method, "arguments": arguments, "headers": headers
        });
        clients[0].send(&traced).await;
        let completion = clients[0].completion(method).await;
        assert!(completion.get("error").is_none(), "{completion}");
    }
    call(&mut clients[0], "ToGroup", json!(["g", "after"])).await;
    for client in &mut clients[1..] {
        for expected in ["before", "traced", "after"] {
            assert_eq!(text(client).await, expected);
        }
    }
    const DELIVERED: &str = "A message of another node is delivered.";
    const CARRIED_OUT: &str = "A request of another node is carried out.";
    for (node, message, lines) in
        [(0, DELIVERED, 0), (1, DELIVERED, 1), (2, DELIVERED, 1), (1, CARRIED_OUT, 0), (2, CARRIED_OUT, 1)]
    {
        let node = nodes.node(node);
        assert_eq!(node.log_lines(&["TRACE", message, TRACE_ID, PARENT_ID, "hub=cluster"]).len(), lines);
        assert_eq!(node.log_lines(&[message]).len(), lines, "and no other");
    }
    nodes.have_no_errors();
}
