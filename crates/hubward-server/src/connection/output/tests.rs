//! Tests of what a connection writes: in order, and as the transport allows.

use std::time::Duration;

use hubward_hub::{Hub, HubContext, HubOptions};
use serde_json::json;
use tokio::time::Instant;

use crate::testing::client::{Next, TestClient};
use crate::testing::{engine, pass, until_idle};

#[tokio::test(start_paused = true)]
async fn messages_come_in_the_order_in_which_they_were_sent_and_before_the_completion() {
    let many = async |cx: HubContext| {
        for n in 0..100 {
            cx.clients().caller().send("Number", (n,)).await.unwrap();
        }
        "done"
    };
    let engine = engine(Hub::new("hub").method("Many", many));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Many", json!([])).await;
    for n in 0..100 {
        assert_eq!(client.message().await["arguments"], json!([n]));
    }
    assert_eq!(client.message().await["result"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_write_goes_on_when_the_client_reads() {
    let engine = engine(Hub::new("hub"));
    let mut client = TestClient::connect(&engine, "c1").await;
    for n in 0..10 {
        engine.handle().all().send("Large", (n, "x".repeat(100_000))).await.unwrap();
    }
    until_idle().await;
    for n in 0..10 {
        assert_eq!(client.message().await["arguments"][0], n);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_waits_for_a_blocked_write_and_does_not_break_it() {
    let options = HubOptions { keep_alive_interval: Duration::from_secs(5), ..HubOptions::default() };
    let engine = engine(Hub::new("hub").options(options));
    let mut client = TestClient::connect(&engine, "c1").await;
    let start = Instant::now();
    engine.handle().all().send("Large", ("x".repeat(100_000),)).await.unwrap();
    pass(Duration::from_secs(6)).await;
    assert_eq!(client.message().await["target"], "Large");
    assert_eq!(client.next_or_ping().await, Next::Message(json!({ "type": 6 })));
    assert_eq!(start.elapsed(), Duration::from_secs(6));
}
