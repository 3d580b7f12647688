//! What one client, or one loop, can make a node hold: nothing that grows with how much it asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hubward::{Hub, HubContext, HubOptions};
use hubward_testing::Http;
use hubward_tests::{HANDSHAKE, TestNode, eventually, issuer, within};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A call in JSON, with its separator; without an id it wants no completion.
fn call(id: Option<usize>, method: &str, arguments: &Value) -> String {
    let mut call = json!({ "type": 1, "target": method, "arguments": arguments });
    if let Some(id) = id {
        call["invocationId"] = json!(id.to_string());
    }
    call.to_string() + "\u{1e}"
}

/// A hub whose calls of `Large` are counted, and answered with 1 MiB.
async fn large_answers() -> (TestNode, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let large = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "x".repeat(1 << 20) }
    };
    (TestNode::with_hub(Hub::new("hub").method("Large", large)).await, calls)
}

/// So many calls of `Large`: 31 KB.
fn calls_of_large() -> String {
    (0..400).map(|id| call(Some(id), "Large", &json!([]))).collect()
}

/// Waits until no more calls are made, and checks that they are about as many as the transport holds.
async fn check_calls(calls: &AtomicUsize) {
    let (mut before, mut same) = (0, 0);
    eventually("the calls to pause", async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = calls.load(Ordering::SeqCst);
        same = if std::mem::replace(&mut before, now) == now { same + 1 } else { 0 };
        now > 0 && same == 10
    })
    .await;
    // The kernel of the server's side takes a few MiB of a WebSocket.
    assert!(before <= 16, "{before} answers of 1 MiB were made, and none was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_a_web_socket_does_not_read_are_not_made() {
    let (node, calls) = large_answers().await;
    let mut client = node.client("/hub").receive_buffer_bytes(4096).open().await;
    client.send_text(calls_of_large().as_bytes()).await;
    check_calls(&calls).await;
    for id in 0..20 {
        assert_eq!(client.receive().await["invocationId"], id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_an_event_stream_does_not_read_are_not_made() {
    let (node, calls) = large_answers().await;
    let target = format!("/hub?id={}", node.client("/hub").connection_token().await);
    let mut stream = Http::connect(node.address).await;
    stream.send("GET", &target, &[("Accept", "text/event-stream")], b"").await;
    assert_eq!(stream.head().await.status, 200);
    node.request("POST", &target, &[], HANDSHAKE).await;
    let posted = node.request("POST", &target, &[], calls_of_large().as_bytes()).await;
    assert_eq!(posted.status, 200);
    check_calls(&calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_no_poll_fetches_are_not_made() {
    let (node, calls) = large_answers().await;
    let target = format!("/hub?id={}", node.client("/hub").connection_token().await);
    assert_eq!(node.request("GET", &target, &[], b"").await.status, 200);
    node.request("POST", &target, &[], HANDSHAKE).await;
    assert_eq!(node.request("GET", &target, &[], b"").await.text(), "{}\u{1e}");
    let posted = node.request("POST", &target, &[], calls_of_large().as_bytes()).await;
    assert_eq!(posted.status, 200);
    check_calls(&calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_one_client_closes_nobody_who_reads() {
    const CALLS: usize = 4000;
    let tell = async |cx: HubContext, n: usize| cx.clients().others().send("News", (n,)).await.unwrap();
    // A tenth of the default, and a tenth of the burst that closed all readers of a node with the default.
    let options = HubOptions { mailbox_messages: 1000, ..HubOptions::default() };
    let node = TestNode::with_hub(Hub::new("hub").options(options).method("Tell", tell)).await;
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut reader = node.client("/hub").open().await;
        readers.spawn(async move {
            for n in 0..CALLS {
                assert_eq!(reader.receive().await["arguments"], json!([n]));
            }
        });
    }
    let mut sender = node.client("/hub").open().await;
    let burst: String = (0..CALLS).map(|n| call(None, "Tell", &json!([n]))).collect();
    sender.send_text(burst.as_bytes()).await;
    within("all to have read all", readers.join_all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_awaited_sends_than_a_mailbox_holds_reach_a_client_that_reads() {
    const SENDS: usize = 11_000;
    let send = async |cx: HubContext| {
        for n in 0..SENDS {
            cx.clients().caller().send("Number", (n,)).await.unwrap();
        }
    };
    let node = TestNode::with_hub(Hub::new("hub").method("Send", send).on_connected(send)).await;
    let mut client = node.client("/hub").open().await;
    client.begin("Send", json!([])).await;
    for n in (0..SENDS).chain(0..SENDS) {
        assert_eq!(client.receive().await["arguments"], json!([n]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_expires_in_time_however_much_its_client_has_asked_for() {
    const CALLS: usize = 6000;
    let work = || {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1) {}
        async {}
    };
    let node = TestNode::with_hub(Hub::new("hub").method("Work", work)).await;
    let token = issuer().mint("alice", &[], &[], Duration::from_secs(2), SystemTime::now()).unwrap();
    let mut client = node.client("/hub").token(token.expose()).open().await;
    let began = Instant::now();
    client.send_text(call(None, "Work", &json!([])).repeat(CALLS).as_bytes()).await;
    assert_eq!(client.ended().await.close, Some(json!({ "type": 7, "allowReconnect": true })));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
