//! Senders on several threads while links come and go: what arrives is in order, and nothing arrives twice.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::task::TaskTracker;

use super::*;
use crate::testing::client::TEST_TIMEOUT;

const SENDERS: usize = 4;
const MESSAGES: usize = 3000;

/// A pause of up to this long.
async fn pause(longest: Duration) {
    let part = (RandomState::new().hash_one(()) % 1000) as u32;
    tokio::time::sleep(longest / 1000 * part).await;
}

/// Sends numbered messages by alternating selectors, and lets others run now and then. Returns those whose send succeeded.
async fn send_numbers(tasks: TaskTracker, hub: HubHandle, sender: usize) -> Vec<String> {
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let method = format!("{sender}:{number}");
        let sending = match number % 5 {
            0 => hub.all().send(&method, ()),
            1 => hub.group("g").send(&method, ()),
            2 => hub.user("alice").send(&method, ()),
            3 => hub.connection("c1").send(&method, ()),
            _ => hub.all_except(["c2"]).send(&method, ()),
        };
        let succeeded = match number % 3 {
            0 => sending.await.is_ok(),
            1 => tasks.spawn(sending.until_published()).await.unwrap().is_ok(),
            _ => {
                drop(sending);
                false
            }
        };
        if succeeded {
            sent.push(method);
        }
        if number % 50 == 0 {
            pause(Duration::from_millis(2)).await;
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_one_sender_arrive_in_order_and_once_however_the_links_come_and_go() {
    let hold = || hub_with(Outage::Hold { max_bytes: 64 << 20, max_wait: Duration::from_secs(60) });
    let cluster = Cluster::start_with(hold).await;
    // Nobody reads what it is sent.
    cluster.node.close(&cluster.here).await;
    let running = Arc::new(AtomicUsize::new(SENDERS));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (hub, running) = (cluster.hub(), running.clone());
            let tasks = cluster.node.engine.context.tasks.clone();
            tasks.clone().spawn(async move {
                let sent = send_numbers(tasks, hub, sender).await;
                running.fetch_sub(1, Ordering::SeqCst);
                sent
            })
        })
        .collect();
    let mut arrived = Vec::new();
    let mut gaps = 0;
    while running.load(Ordering::SeqCst) > 0 {
        interrupt(&cluster.node);
        pause(Duration::from_millis(3)).await;
        resume(&cluster.node);
        gaps += 1;
        pause(Duration::from_millis(3)).await;
        arrived.extend(received(&cluster.there));
    }
    let mut sent = Vec::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    let last = cluster.hub().all().send("last", ()).until_published();
    tokio::time::timeout(TEST_TIMEOUT, last).await.expect("the last one goes out").unwrap();
    arrived.extend(received(&cluster.there));
    assert_eq!(arrived.pop().as_deref(), Some("last"));
    let mut next: HashMap<&str, usize> = HashMap::new();
    for message in &arrived {
        let (sender, number) = message.split_once(':').unwrap();
        let (number, next): (usize, _) = (number.parse().unwrap(), next.entry(sender).or_default());
        assert!(number >= *next, "{message} arrived after {} of its sender", *next - 1);
        *next = number + 1;
    }
    // What was sent in the moment in which the link broke may be lost, and whoever awaited it knows.
    let lost = arrived.len().abs_diff(SENDERS * MESSAGES);
    let arrived: HashSet<_> = arrived.iter().collect();
    assert!(sent.iter().all(|message| arrived.contains(message)));
    assert!(gaps > 10 && lost <= gaps * SENDERS, "{lost} lost in {gaps} gaps");
}
