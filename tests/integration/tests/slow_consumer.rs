//! A client that does not read is closed, and nobody else notices.

use std::time::Duration;

use hubward::{Disconnected, Hub, HubContext, HubError, HubOptions, Hubward, TransportOptions};
use hubward_tests::{TestClient, TestNode, eventually, within};
use serde_json::json;
use tokio::sync::mpsc;

/// Who reads.
const READERS: usize = 20;

/// Messages between two looks at whether all readers have them: half of what a mailbox holds, so that a reader is
/// never the one who is too slow.
const BATCH: u64 = 16;

/// A text that makes a message of 4 KiB.
const TEXT_BYTES: usize = 4096 - 100;

/// Far more batches than the kernel has room for: 40 MB.
const MANY_BATCHES: u64 = 600;

async fn join(cx: HubContext) -> Result<(), HubError> {
    Ok(cx.groups().add("g").await?)
}

/// Sends a batch to the group, and takes it from every reader.
async fn pass_batch(node: &TestNode, readers: &mut [TestClient], first: u64) {
    let text = "x".repeat(TEXT_BYTES);
    let hub = node.hubs.hub("hub").unwrap();
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
async fn a_client_that_does_not_read_is_closed_and_nobody_else_notices() {
    let (tell, mut ended) = mpsc::unbounded_channel();
    let options = HubOptions { mailbox_bytes: 128 * 1024, ..HubOptions::default() };
    let transports =
        TransportOptions { close_timeout: Duration::from_millis(100), ..TransportOptions::default() };
    let hub = Hub::new("hub").options(options).on_connected(join).on_disconnected(
        move |cx: HubContext, end: Disconnected| {
            tell.send((cx.connection_id().to_string(), end.error().map(str::to_owned))).unwrap();
            async {}
        },
    );
    let hubs = Hubward::builder().hub_with_options("/hub", hub, transports).build().unwrap();
    let node = TestNode::start(hubs).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(node.client("/hub").open().await);
    }
    let mut slow = node.client("/hub").receive_buffer_bytes(4096).open().await;
    let hub = node.hubs.hub("hub").unwrap();
    eventually("all members", async || hub.groups().count("g").await.unwrap() == READERS as u64 + 1).await;

    let mut number = 0;
    let (who, error) = loop {
        assert!(number < MANY_BATCHES * BATCH, "the slow client is still there after {number} messages");
        pass_batch(&node, &mut readers, number).await;
        number += BATCH;
        if let Ok(ended) = ended.try_recv() {
            break ended;
        }
    };
    assert_eq!(who, slow.id);
    assert_eq!(error.as_deref(), Some("The client does not read what it is sent."));
    eventually("the slow one to be forgotten", async || {
        hub.groups().count("g").await.unwrap() == READERS as u64
    })
    .await;

    // The others go on, and each has missed nothing.
    for _ in 0..4 {
        pass_batch(&node, &mut readers, number).await;
        number += BATCH;
    }
    assert_eq!(node.hubs.connection_count("hub"), READERS);
    assert!(ended.try_recv().is_err(), "nobody else was closed");

    // What the slow one got before is whole and in order.
    let mut expected = 0;
    while let Ok(message) = within("the rest", slow.next()).await {
        assert_eq!(message["arguments"][0], expected);
        expected += 1;
    }
    assert!(expected < number, "it has not been sent everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_waits_for_a_client_that_reads_slowly() {
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
    let node = TestNode::start(Hubward::builder().hub("/hub", hub).build().unwrap()).await;
    let mut client = node.client("/hub").receive_buffer_bytes(4096).open().await;
    let id = client.begin_stream("Count", json!([])).await;
    let mut before = u64::MAX;
    eventually("the stream to rest", async || {
        let now = taken.load(Ordering::Relaxed);
        std::mem::replace(&mut before, now) == now && now > 0
    })
    .await;
    assert!(before < ITEMS - 1, "the stream ran on though nobody read");
    for number in 0..ITEMS {
        assert_eq!(client.receive().await["item"][0], number);
    }
    assert_eq!(client.receive().await, json!({ "type": 3, "invocationId": id }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_stays_blocked_ends_its_connection() {
    let (tell, mut ended) = mpsc::unbounded_channel();
    let options =
        TransportOptions { send_timeout: Duration::from_millis(100), ..TransportOptions::default() };
    let hub = Hub::new("hub").on_connected(join).on_disconnected(move |end: Disconnected| {
        tell.send(end.error().map(str::to_owned)).unwrap();
        async {}
    });
    let hubs = Hubward::builder().hub_with_options("/hub", hub, options).build().unwrap();
    let node = TestNode::start(hubs).await;
    let _slow = node.client("/hub").receive_buffer_bytes(4096).open().await;
    let text = "x".repeat(16 << 20);
    // More than the kernel takes; a message alone always fits into a mailbox.
    eventually("a member", async || node.hubs.hub("hub").unwrap().groups().count("g").await.unwrap() == 1)
        .await;
    node.hubs.hub("hub").unwrap().group("g").send("N", (text,)).await.unwrap();
    let error = within("the end", ended.recv()).await.unwrap();
    assert_eq!(error.as_deref(), Some("A write to the client stayed blocked for too long."));
}
