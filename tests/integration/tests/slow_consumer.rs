//! A slow consumer: a client that does not read is closed, and the others notice nothing.

use std::time::Duration;

use hubward::{Disconnected, Hub, HubContext, HubError, HubOptions, TransportOptions};
use hubward_tests::{TestClient, TestNode, events, eventually, within};
use serde_json::json;

/// Clients that read.
const READERS: usize = 20;

/// Messages between two checks that all readers have them: half of what a mailbox holds, so that no reader is ever
/// the slow consumer.
const BATCH: u64 = 16;

/// A string that makes a message of 4 KiB.
const TEXT_BYTES: usize = 4096 - 100;

/// Far more batches than the kernel has room for: 40 MB.
const MANY_BATCHES: u64 = 600;

async fn join(cx: HubContext) -> Result<(), HubError> {
    Ok(cx.groups().add("g").await?)
}

/// Sends a batch to the group, and receives it with every reader.
async fn pass_batch(node: &TestNode, readers: &mut [TestClient], first: u64) {
    let text = "x".repeat(TEXT_BYTES);
    let hub = node.handle();
    for number in first..first + BATCH {
        hub.group("g").send("N", (number, &text)).await.unwrap();
    }
    for reader in readers {
        for number in first..first + BATCH {
            let message = reader.receive().await;
            assert_eq!(message["arguments"][0], number, "nothing is missing and nothing is out of order");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_closed_and_the_others_notice_nothing() {
    let (recorder, mut ended) = events::<(String, Option<String>)>();
    let options = HubOptions { mailbox_bytes: 128 * 1024, ..HubOptions::default() };
    let transports =
        TransportOptions { close_timeout: Duration::from_millis(100), ..TransportOptions::default() };
    let hub = Hub::new("hub").options(options).on_connected(join).on_disconnected(
        move |cx: HubContext, end: Disconnected| {
            recorder.record((cx.connection_id().to_string(), end.error().map(str::to_owned)));
            async {}
        },
    );
    let node = TestNode::with_hub_and_transports(hub, transports).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(node.client("/hub").open().await);
    }
    let mut slow = node.client("/hub").receive_buffer_bytes(4096).open().await;
    let hub = node.handle();
    eventually("all members", async || hub.groups().count("g").await.unwrap() == READERS as u64 + 1).await;

    let mut number = 0;
    let (id, error) = loop {
        assert!(number < MANY_BATCHES * BATCH, "the slow client is still there after {number} messages");
        pass_batch(&node, &mut readers, number).await;
        number += BATCH;
        if let Some(ended) = ended.try_next() {
            break ended;
        }
    };
    assert_eq!(id, slow.id);
    assert_eq!(error.as_deref(), Some("The client does not read what it is sent."));
    eventually("the slow consumer to leave its group", async || {
        hub.groups().count("g").await.unwrap() == READERS as u64
    })
    .await;

    // The others go on, and none has missed a message.
    for _ in 0..4 {
        pass_batch(&node, &mut readers, number).await;
        number += BATCH;
    }
    assert_eq!(node.hubs.connection_count("hub"), READERS);
    assert!(ended.try_next().is_none(), "no other connection was closed");

    // What the slow consumer received before is whole and in order.
    let mut expected = 0;
    while let Ok(message) = within("the rest", slow.next()).await {
        assert_eq!(message["arguments"][0], expected);
        expected += 1;
    }
    assert!(expected < number, "it has not been sent everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backpressure_stops_a_stream_whose_client_does_not_read() {
    use futures_util::stream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Far more than kernel and mailbox have room for.
    const ITEMS: u64 = 10_000;

    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    let hub = Hub::new("hub")
        .options(HubOptions { mailbox_bytes: 64 * 1024, ..HubOptions::default() })
        .stream("Count", move || {
            let counter = counter.clone();
            async move {
                let text = "x".repeat(TEXT_BYTES);
                stream::iter((0..ITEMS).map(move |number| {
                    counter.store(number, Ordering::Relaxed);
                    (number, text.clone())
                }))
            }
        });
    let node = TestNode::with_hub(hub).await;
    let mut client = node.client("/hub").receive_buffer_bytes(4096).open().await;
    let id = client.begin_stream("Count", json!([])).await;
    let mut before = u64::MAX;
    eventually("the stream to pause", async || {
        let now = taken.load(Ordering::Relaxed);
        std::mem::replace(&mut before, now) == now && now > 0
    })
    .await;
    assert!(before < ITEMS - 1, "the stream ran on though nothing was read");
    for number in 0..ITEMS {
        assert_eq!(client.receive().await["item"][0], number);
    }
    assert_eq!(client.receive().await, json!({ "type": 3, "invocationId": id }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_stays_blocked_ends_its_connection() {
    let (recorder, mut ended) = events::<Option<String>>();
    let transports =
        TransportOptions { send_timeout: Duration::from_millis(100), ..TransportOptions::default() };
    let hub = Hub::new("hub").on_connected(join).on_disconnected(move |end: Disconnected| {
        recorder.record(end.error().map(str::to_owned));
        async {}
    });
    let node = TestNode::with_hub_and_transports(hub, transports).await;
    let _slow = node.client("/hub").receive_buffer_bytes(4096).open().await;
    let text = "x".repeat(16 << 20);
    // More than the kernel takes; a message alone always fits into a mailbox.
    eventually("a member", async || node.handle().groups().count("g").await.unwrap() == 1).await;
    node.handle().group("g").send("N", (text,)).await.unwrap();
    assert_eq!(ended.next().await.as_deref(), Some("A write to the client stayed blocked for too long."));
}
