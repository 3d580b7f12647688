//! Bursts: what one client sends at once, or one method broadcasts in a loop, closes no client that reads.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::node::node;
use crate::waits::at_last;
use crate::wire::{Reading, SEPARATOR, Wire, one_way, text};

/// Clients that read.
const READERS: usize = 20;

/// Messages of a burst: four times what a mailbox holds.
const BURST: usize = 40_000;

/// Counts messages until there are so many. Whether the connection ended before that is the caller's to judge.
async fn count(mut reading: Reading, wanted: usize) -> usize {
    let mut count = 0;
    while count < wanted {
        let Some(payload) = at_last("a broadcast", reading.payload()).await else { break };
        let records = payload.split(|byte| *byte == SEPARATOR);
        count += records.filter(|record| record.starts_with(b"{\"type\":1")).count();
    }
    count
}

/// Opens the readers; one of them is to write the burst.
async fn open(address: &hubward_tests::Connect) -> (Wire, Vec<Wire>) {
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Wire::open(address).await);
    }
    (Wire::open(address).await, readers)
}

/// Lets all read at the same time while the one writes, and checks that each received everything.
async fn check(burst: Vec<u8>, attacker: Wire, readers: Vec<Wire>, wanted: usize) {
    let Wire { mut writing, reading, .. } = attacker;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(count(reading, wanted));
    let mut kept = Vec::new();
    for Wire { reading, writing, .. } in readers {
        kept.push(writing);
        tasks.spawn(count(reading, wanted));
    }
    at_last("room to write", writing.write_all(&burst)).await.unwrap();
    let received = at_last("everything to be received", tasks.join_all()).await;
    assert_eq!(received, vec![wanted; READERS + 1], "each client that reads receives everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_calls_closes_no_client_that_reads() {
    let node = node();
    let (attacker, readers) = open(&node.client("/hub")).await;
    let burst = text(&one_way("ToAll", &json!(["x"]))).repeat(BURST);
    check(burst, attacker, readers, BURST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_calls_in_a_group_closes_no_client_that_reads_stateful_ones_neither() {
    let node = node();
    let (mut attacker, mut readers) = open(&node.client("/hub")).await;
    readers.truncate(READERS - 1);
    readers.push(Wire::open_message_pack(&node.client("/hub")).await);
    attacker.result("Join", json!(["g"])).await;
    for reader in readers.iter_mut().take(READERS - 1) {
        reader.result("Join", json!(["g"])).await;
    }
    // The one in MessagePack is no member: it shows that the node is there for others throughout.
    let outsider = readers.pop().unwrap();
    let burst = text(&one_way("ToGroup", &json!(["g", "x"]))).repeat(BURST);
    let Wire { mut writing, reading, .. } = attacker;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(count(reading, BURST));
    let mut kept = vec![outsider.writing];
    for Wire { reading, writing, .. } in readers {
        kept.push(writing);
        tasks.spawn(count(reading, BURST));
    }
    at_last("room to write", writing.write_all(&burst)).await.unwrap();
    let received = at_last("everything to be received", tasks.join_all()).await;
    assert_eq!(received, vec![BURST; READERS], "each member that reads receives everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_of_broadcasts_that_are_not_awaited_closes_no_client_that_reads() {
    let node = node();
    let (attacker, readers) = open(&node.client("/hub")).await;
    let burst = text(&one_way("FloodAll", &json!([BURST, 10])));
    check(burst, attacker, readers, BURST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_of_large_broadcasts_that_are_not_awaited_closes_no_client_that_reads() {
    /// 12 MB for each reader: three times what a mailbox holds.
    const LARGE: (usize, usize) = (400, 30_000);
    let node = node();
    let (attacker, readers) = open(&node.client("/hub")).await;
    let burst = text(&one_way("FloodAll", &json!([LARGE.0, LARGE.1])));
    check(burst, attacker, readers, LARGE.0).await;
}
