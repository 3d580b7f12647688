//! Redis whose clock is behind the one that wrote its data, such as a replica that has taken over.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use std::time::Duration;

use hubward_backplane::{GroupStore, NodeInfo, NodeLoad, NodeRegistry, OpenConnection, Owner};
use hubward_redis::{Redis, RedisStore};
use hubward_testing::eventually;
use hubward_testing::redis::{RedisOptions, RedisServer};

const LEASE: Duration = Duration::from_millis(300);
/// A time in milliseconds that is years ahead.
const AHEAD: &str = "9999999999999";

fn info(node: &str) -> NodeInfo {
    NodeInfo { id: node.into(), address: None, hubs: Vec::new() }
}

async fn announce(store: &RedisStore, node: &str) -> Owner {
    Owner { node: node.into(), epoch: store.announce(info(node)).await.unwrap() }
}

#[tokio::test]
async fn what_a_dead_node_left_is_swept_though_the_clock_has_gone_back() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let store = Redis::url(&server.url()).unwrap().lease(LEASE).build().unwrap().store();
    let (dead, sweeper, lives) =
        (announce(&store, "dead").await, announce(&store, "sweeper").await, announce(&store, "lives").await);
    let opening = OpenConnection {
        hub: "hub".into(),
        connection: "c1".into(),
        user: Some("alice".into()),
        owner: dead.clone(),
        claim: Duration::ZERO,
    };
    store.open_connection(opening).await.unwrap();
    // As if these were the times of another clock.
    for owner in [&dead, &sweeper] {
        let life = format!("{} {AHEAD} 7", owner.epoch.get());
        server.cli(&["HSET", "{hubward}:1:alive", owner.node.as_str(), &life]).await;
    }
    store.heartbeat(&lives, NodeLoad::default()).await.unwrap();
    let listed = store.list().await.unwrap();
    let load = listed.iter().find(|node| node.info.id == dead.node).map(|node| node.load);
    assert_eq!(load, Some(NodeLoad::new(7)), "its lease has begun anew, and it has what it reported");
    eventually("both to be dead", async || {
        store.heartbeat(&lives, NodeLoad::default()).await.unwrap();
        store.list().await.unwrap().len() == 1
    })
    .await;
    // The other one had begun to sweep.
    let lease = format!("{AHEAD} {}", sweeper.epoch.get());
    server.cli(&["HSET", "{hubward}:1:ended", &dead.epoch.get().to_string(), &lease]).await;
    let swept = store.sweep(&lives, 10).await.unwrap();
    assert_eq!((swept.removed, swept.finished), (1, true));
    assert_eq!(server.cli(&["HLEN", "{hubward}:1:ended"]).await.trim(), "0");
    assert_eq!(announce(&store, "dead").await.node, dead.node);
}
