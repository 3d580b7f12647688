//! Groups, streams, messages, bodies and timeouts, each up to its limit.

use std::time::Duration;

use hubward::TransportOptions;
use hubward_tests::frame::{self, masked};
use hubward_tests::{HANDSHAKE, Http, TestNode, eventually};
use serde_json::json;

use crate::{UNEXPECTED, hub, node_with};

#[tokio::test]
async fn a_connection_is_in_as_many_groups_as_the_hub_allows() {
    let node = node_with(|options| options.groups_per_connection = 3).await;
    let mut client = node.client("/hub").open().await;
    for group in ["a", "b", "c"] {
        client.result("Join", json!([group])).await;
    }
    assert_eq!(client.error("Join", json!(["d"])).await, format!("{UNEXPECTED} 'Join' on the server."));
    client.result("Join", json!(["a"])).await;
    let groups = node.handle().groups().clone();
    assert_eq!(groups.count("d").await.unwrap(), 0, "what failed is not recorded");
    client.result("Leave", json!(["a"])).await;
    client.result("Join", json!(["d"])).await;
    assert_eq!((groups.count("a").await.unwrap(), groups.count("d").await.unwrap()), (0, 1));
}

#[tokio::test]
async fn a_groups_name_is_as_long_as_the_hub_allows() {
    let node = node_with(|options| options.group_name_bytes = 8).await;
    let mut client = node.client("/hub").open().await;
    client.result("Join", json!(["12345678"])).await;
    assert_eq!(
        client.error("Join", json!(["123456789"])).await,
        format!("{UNEXPECTED} 'Join' on the server.")
    );
}

#[tokio::test]
async fn a_group_that_the_rule_refuses_is_an_error_with_its_name() {
    let node = TestNode::with_hub(hub().may_join(|_, group| group.as_str() != "secret")).await;
    let mut client = node.client("/hub").open().await;
    assert_eq!(
        client.error("Join", json!(["secret"])).await,
        format!(
            "{UNEXPECTED} 'Join' on the server. HubException: Joining the group 'secret' is not allowed."
        )
    );
    client.result("Join", json!(["open"])).await;
    node.hubs.hub("hub").unwrap().clients().groups(["secret", "open"]).send("N", ()).await.unwrap();
    client.invoked("N").await;
    assert!(client.has_nothing_after("Echo", json!(["x"])).await, "it is not in the other group");
}

#[tokio::test]
async fn a_connection_has_as_many_streams_as_the_hub_allows() {
    let node = node_with(|options| options.streams_per_connection = 2).await;
    let mut client = node.client("/hub").open().await;
    let first = client.begin_stream("Endless", json!([])).await;
    client.begin_stream("Endless", json!([])).await;
    let third = client.begin_stream("Endless", json!([])).await;
    assert_eq!(
        client.completion(&third).await["error"],
        format!(
            "{UNEXPECTED} 'Endless' on the server. HubException: A connection may have 2 streams at once."
        )
    );
    client.send(&json!({ "type": 5, "invocationId": first })).await;
    assert!(
        client.completion(&first).await.get("error").is_none(),
        "a cancelled stream ends without an error"
    );
    // The cancelled stream no longer counts once its completion has come, so this must succeed at the first try.
    let fourth = client.begin_stream("Endless", json!([])).await;
    let item = json!({ "type": 2, "invocationId": fourth, "item": 0 });
    loop {
        let message = client.receive().await;
        assert!(message["type"] == 2, "{message}");
        if message == item {
            break;
        }
    }
}

#[tokio::test]
async fn a_message_is_as_long_as_the_hub_allows() {
    for detailed in [false, true] {
        let node = node_with(|options| {
            options.maximum_receive_message_bytes = Some(1024);
            options.detailed_errors = detailed;
        })
        .await;
        let mut client = node.client("/hub").open().await;
        let call_of = |length: usize| {
            let empty =
                json!({ "type": 1, "invocationId": "x", "target": "Echo", "arguments": [""] }).to_string();
            let text = "x".repeat(length - empty.len() - 1);
            let call = json!({ "type": 1, "invocationId": "x", "target": "Echo", "arguments": [text] });
            format!("{call}\x1e").into_bytes()
        };
        client.send_text(&call_of(1024)).await;
        assert!(client.completion("x").await.get("error").is_none());
        client.send_text(&call_of(1025)).await;
        let close = client.ended().await.close.unwrap();
        let detail = if detailed {
            " InvalidDataException: The maximum message size of 1024B was exceeded. The message size can be configured in AddHubOptions."
        } else {
            ""
        };
        assert_eq!(close["error"], format!("Connection closed with an error.{detail}"));
        assert_eq!(close["allowReconnect"], true);
    }
}

#[tokio::test]
async fn a_post_is_as_long_as_the_transport_options_allow() {
    let options = TransportOptions { post_body_bytes: 2048, ..TransportOptions::default() };
    let node = TestNode::with_hub_and_transports(hub(), options).await;
    let target = format!("/hub?id={}", node.client("/hub").connection_token().await);
    assert_eq!(node.request("GET", &target, &[], b"").await.status, 200);
    assert_eq!(node.request("POST", &target, &[], HANDSHAKE).await.status, 200);
    assert_eq!(node.request("GET", &target, &[], b"").await.body, b"{}\x1e");

    assert_eq!(node.request("POST", &target, &[], &[b' '; 2049]).await.status, 413);
    let mut http = Http::connect(node.address).await;
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    http.write(head.as_bytes()).await;
    for _ in 0..3 {
        http.write(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes()).await;
    }
    assert_eq!(http.response().await.status, 413, "a length that is not declared is counted");

    let call = json!({ "type": 1, "invocationId": "1", "target": "Echo", "arguments": ["x"] });
    assert_eq!(node.request("POST", &target, &[], format!("{call}\x1e").as_bytes()).await.status, 200);
    let poll = node.request("GET", &target, &[], b"").await;
    assert_eq!(poll.text(), "{\"type\":3,\"invocationId\":\"1\",\"result\":\"x\"}\x1e");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_times_out() {
    let node = node_with(|options| options.handshake_timeout = Duration::from_millis(50)).await;
    for begun in [&b""[..], b"{\"protocol\":"] {
        let mut client = node.client("/hub").open_web_socket().await;
        client.send_text(begun).await;
        assert_eq!(client.receive().await, json!({ "error": "Handshake was canceled." }));
        let ended = client.ended().await;
        assert_eq!((ended.close, ended.code), (None, Some(1000)));
    }
}

#[tokio::test]
async fn a_silent_client_times_out_once_it_has_pinged() {
    let node = node_with(|options| options.client_timeout = Duration::from_millis(100)).await;
    let mut silent = node.client("/hub").open().await;
    let mut pinging = node.client("/hub").open().await;
    pinging.send(&json!({ "type": 6 })).await;
    let close = pinging.ended().await.close.unwrap();
    assert_eq!(
        close,
        json!({ "type": 7, "error": "Connection closed with an error.", "allowReconnect": true })
    );
    assert_eq!(silent.result("Echo", json!(["never pinged"])).await, "never pinged");
}

#[tokio::test]
async fn pings_of_the_web_socket_get_a_pong_and_the_hubs_own_are_sent() {
    let node = node_with(|options| options.keep_alive_interval = Duration::from_millis(50)).await;
    let connect = node.client("/hub");
    let mut http = connect.upgrade(None).await.unwrap();
    http.write(&masked(frame::TEXT, HANDSHAKE)).await;
    assert_eq!(http.frame().await, Some((frame::TEXT, b"{}\x1e".to_vec())));
    http.write(&masked(frame::PING, b"?")).await;
    let (mut ponged, mut pinged) = (false, false);
    while !(ponged && pinged) {
        match http.frame().await.unwrap() {
            (frame::PONG, payload) if payload == b"?" => ponged = true,
            (frame::TEXT, payload) if payload == b"{\"type\":6}\x1e" => pinged = true,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn stateful_clients_that_leave_their_connections_keep_a_bounded_number() {
    const MOST: usize = 8;
    let options = TransportOptions {
        allow_stateful_reconnects: true,
        absent_connections: MOST,
        ..TransportOptions::default()
    };
    let node = TestNode::with_hub_and_transports(hub(), options).await;
    let connect = node.client("/hub").query("useStatefulReconnect=true");
    let count = || node.hubs.connection_count("hub");
    let mut opened = 0;
    eventually("the longest absent to end, long before their disconnect timeout", async || {
        let mut client = connect.open_web_socket().await;
        client.send_text(b"{\"protocol\":\"json\",\"version\":2}\x1e").await;
        assert_eq!(client.receive().await, json!({}));
        opened += 1;
        // It is cut here, so that it could be resumed.
        drop(client);
        count() + MOST < opened
    })
    .await;
    assert!(count() >= MOST, "{}", count());
}
