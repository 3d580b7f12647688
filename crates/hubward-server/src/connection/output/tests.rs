//! Tests of what a connection writes: in order, and as the transport allows.

use std::time::Duration;

use hubward_hub::{Hub, HubContext, HubOptions};
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

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

/// A hub with small mailboxes.
fn small_mailboxes() -> Hub {
    Hub::new("hub").options(HubOptions { mailbox_messages: 100, ..HubOptions::default() })
}

async fn send_many(cx: HubContext) {
    for n in 0..1100 {
        cx.clients().caller().send("Number", (n,)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_awaited_sends_runs_as_fast_as_its_client_reads() {
    let engine = engine(small_mailboxes().method("Many", send_many));
    let mut client = TestClient::connect(&engine, "c1").await;
    client.invoke("1", "Many", json!([])).await;
    for n in 0..1100 {
        assert_eq!(client.message().await["arguments"], json!([n]));
    }
    assert_eq!(client.message().await["type"], 3);
}

#[tokio::test(start_paused = true)]
async fn on_connected_may_send_its_client_any_number_of_messages() {
    for stateful in [false, true] {
        let engine = engine(small_mailboxes().on_connected(send_many));
        let mut client = if stateful {
            TestClient::connect_stateful(&engine, "c1").await
        } else {
            TestClient::connect(&engine, "c1").await
        };
        for n in 0..1100 {
            assert_eq!(client.message().await["arguments"], json!([n]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_awaited_send_waits_for_its_client_until_that_reads_or_is_closed() {
    let engine = engine(small_mailboxes());
    let mut client = TestClient::connect(&engine, "c1").await;
    let handle = engine.handle();
    let send = async |text: &str| handle.connection("c1").send("M", (text,)).await;
    send(&"x".repeat(100_000)).await.unwrap();
    until_idle().await;
    let start = Instant::now();
    let mut sent = 0;
    while timeout(Duration::from_secs(1), send("small")).await.is_ok() {
        sent += 1;
    }
    assert_eq!((sent, start.elapsed()), (24, Duration::from_secs(1)), "a quarter of the mailbox");
    let blocked = async { send("more").await.map(|()| start.elapsed()) };
    let read = async {
        pass(Duration::from_secs(1)).await;
        client.message().await;
    };
    let (blocked, ()) = tokio::join!(blocked, read);
    assert_eq!(blocked.unwrap(), Duration::from_secs(2));
    send(&"x".repeat(100_000)).await.unwrap();
    until_idle().await;
    while engine.connection_count() > 0 {
        // The one that is cut off is no error either.
        send("more").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_awaited_loop_needs_does_not_grow_with_its_length() {
    let engine = engine(small_mailboxes());
    let mut client = TestClient::connect(&engine, "c1").await;
    let handle = engine.handle();
    let send = async {
        for n in 0..20_000 {
            handle.connection("c1").send("M", (n,)).await.unwrap();
            let connection = engine.index.connection(&"c1".into()).unwrap();
            assert!(connection.mailbox.waiting() <= 26, "{n}: {}", connection.mailbox.waiting());
        }
    };
    let read = async {
        for n in 0..20_000 {
            assert_eq!(client.message().await["arguments"], json!([n]));
        }
    };
    tokio::join!(send, read);
}

#[tokio::test(start_paused = true)]
async fn a_send_to_many_waits_for_no_client() {
    let engine = engine(small_mailboxes());
    let _silent = TestClient::connect(&engine, "c1").await;
    engine.handle().all().send("Blocks", ("x".repeat(100_000),)).await.unwrap();
    until_idle().await;
    let start = Instant::now();
    for n in 0..1000 {
        engine.handle().all().send("M", (n,)).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// A stateful client receives 3 MB at 400 KB/s, and acknowledges each second what it has received if `acknowledges`.
/// Returns how many messages of 10 KB it received.
async fn receive_slowly(acknowledges: bool) -> usize {
    const MESSAGES: usize = 300;
    let engine = engine(Hub::new("hub"));
    let mut client = TestClient::connect_stateful(&engine, "c1").await;
    for n in 0..MESSAGES {
        engine.handle().all().send("M", (n, "x".repeat(10_000))).await.unwrap();
    }
    let mut received = 0;
    for tenth in 1.. {
        let next = Instant::now() + Duration::from_millis(100);
        if received == MESSAGES || timeout_at(next, client.read_some(40_000)).await == Ok(false) {
            break;
        }
        while let Some(next) = client.take_next() {
            match next {
                Next::Message(message) if message["target"] == "M" => received += 1,
                Next::Message(message) if message["type"] != 7 => {}
                _ => return received,
            }
        }
        sleep_until(next).await;
        if tenth % 10 == 0 && acknowledges {
            client.send(&json!({ "type": 8, "sequenceId": received })).await;
        }
        client.send(&json!({ "type": 6 })).await;
    }
    received
}

#[tokio::test(start_paused = true)]
async fn a_stateful_client_on_a_slow_line_receives_all_if_it_acknowledges() {
    assert_eq!(receive_slowly(true).await, 300);
    assert!(receive_slowly(false).await <= 11, "no more than is kept for it");
}
