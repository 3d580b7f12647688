//! What is in Redis of a node that drains: nodes of a version that knows nothing of drains read it, too.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use std::time::Duration;

use hubward_backplane::{NodeInfo, NodeLoad, NodeRegistry, Owner};
use hubward_redis::{Redis, RedisStore};
use hubward_testing::redis::{RedisOptions, RedisServer};

/// How the scripts of such nodes read a life: its epoch and the end of its lease, which it begins with, and its connections,
/// which it ends with.
const READ_AS_BEFORE: &str = "local life = redis.call('HGET', KEYS[1], ARGV[1]); \
    local epoch, ends = string.match(life, '^(%d+) (%d+)'); \
    return epoch .. ' ' .. ends .. ' ' .. string.match(life, '(%d+)$')";

async fn announce(store: &RedisStore, node: &str) -> Owner {
    let info = NodeInfo { id: node.into(), address: None, hubs: Vec::new() };
    Owner { node: node.into(), epoch: store.announce(info).await.unwrap() }
}

async fn load(store: &RedisStore, node: &Owner) -> NodeLoad {
    store.list().await.unwrap().into_iter().find(|live| live.owner() == *node).unwrap().load
}

#[tokio::test]
async fn an_older_node_reads_the_life_of_one_that_drains() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let store = Redis::url(&server.url()).unwrap().build().unwrap().store();
    let draining = announce(&store, "draining").await;
    store.heartbeat(&draining, NodeLoad::new(7).draining(true)).await.unwrap();
    let read = server.cli(&["EVAL", READ_AS_BEFORE, "1", "{hubward}:1:alive", "draining"]).await;
    let read: Vec<u64> = read.trim().trim_matches('"').split(' ').map(|part| part.parse().unwrap()).collect();
    assert_eq!((read[0], read[2]), (draining.epoch.get(), 7));
    assert_eq!(load(&store, &draining).await, NodeLoad::new(7).draining(true));
}

#[tokio::test]
async fn a_node_drains_also_where_its_lease_begins_anew_because_of_a_clock() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let lease = Duration::from_secs(5);
    let store = Redis::url(&server.url()).unwrap().lease(lease).build().unwrap().store();
    let (draining, other) = (announce(&store, "draining").await, announce(&store, "other").await);
    store.heartbeat(&draining, NodeLoad::new(7).draining(true)).await.unwrap();
    // As if this were the time of another clock.
    let life = format!("{} 9999999999999 draining 7", draining.epoch.get());
    server.cli(&["HSET", "{hubward}:1:alive", "draining", &life]).await;
    store.heartbeat(&other, NodeLoad::default()).await.unwrap();
    assert!(!server.cli(&["HGET", "{hubward}:1:alive", "draining"]).await.contains("9999999999999"));
    assert_eq!(load(&store, &draining).await, NodeLoad::new(7).draining(true));
}
