//! Somebody else writes the keys of the nodes: what cannot be read stops nobody, and what is of another type is named.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use std::time::Duration;

use hubward_backplane::{GroupStore, NodeInfo, NodeLoad, NodeRegistry, OpenConnection, Owner};
use hubward_redis::{Redis, RedisStore};
use hubward_testing::eventually;
use hubward_testing::redis::{RedisOptions, RedisServer};
use hubward_types::{GroupName, HubName, brief_causes};

async fn announce(store: &RedisStore, id: &str) -> Owner {
    let info = NodeInfo { id: id.into(), address: None, hubs: Vec::new() };
    Owner { node: id.into(), epoch: store.announce(info).await.unwrap() }
}

async fn start() -> (RedisServer, RedisStore) {
    let server = RedisServer::start(RedisOptions::default()).await;
    let store = Redis::url(&server.url()).unwrap().build().unwrap().store();
    (server, store)
}

#[tokio::test]
async fn what_cannot_be_read_stops_no_node_and_is_removed() {
    let (server, store) = start().await;
    let owner = announce(&store, "n1").await;
    let (hub, group): (HubName, GroupName) = ("hub".into(), "group".into());
    for command in [
        "HSET {hubward}:1:alive foreign garbage endless 1",
        "HSET {hubward}:1:ended 9 garbage garbage garbage",
        "SADD {hubward}:1:owned:9 garbage 999:x 5:abcde",
        "ZADD {hubward}:1:expiring 1 garbage 1 3:hubgarbage",
        "HSET {hubward}:1:connection:3:hubc1 o garbage c garbage",
        "HSET {hubward}:1:connection:3:hubc2 ggroup x",
        "HSET {hubward}:1:user:3:hubalice ggroup garbage",
        "SET {hubward}:1:epoch garbage",
    ] {
        server.cli(&command.split(' ').collect::<Vec<_>>()).await;
    }
    store.heartbeat(&owner, NodeLoad::default()).await.unwrap();
    let other = announce(&store, "n2").await;
    server.cli(&["SET", "{hubward}:1:epoch", "1e300"]).await;
    let third = announce(&store, "n3").await;
    assert!(other.epoch > owner.epoch && third.epoch > owner.epoch);
    // It seems to live for ever, and has announced nothing.
    server.cli(&["HSET", "{hubward}:1:alive", "foreign", "1 99999999999999 0"]).await;
    assert_eq!(store.list().await.unwrap().len(), 3);
    eventually("nothing to be swept", async || store.sweep(&owner, 100).await.unwrap().finished).await;
    for connection in ["c1", "c2"] {
        let opening = OpenConnection {
            hub: hub.clone(),
            connection: connection.into(),
            user: Some("alice".into()),
            owner: owner.clone(),
            claim: Duration::from_secs(60),
        };
        let opened = store.open_connection(opening).await;
        assert!(opened.is_ok(), "{connection}: {opened:?}");
        store.add_connection(&hub, &group, &connection.into(), &owner).await.unwrap();
    }
    assert_eq!(server.cli(&["ZCARD", "{hubward}:1:expiring"]).await.trim(), "0");
    assert_eq!(server.cli(&["EXISTS", "{hubward}:1:ended", "{hubward}:1:owned:9"]).await.trim(), "0");
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_says_what_to_do_and_its_end_is_noticed() {
    let (server, store) = start().await;
    let owner = announce(&store, "n1").await;
    server.cli(&["SET", "{hubward}:1:alive", "x"]).await;
    let error = store.heartbeat(&owner, NodeLoad::default()).await.unwrap_err();
    let error = brief_causes(&error).to_string();
    assert!(error.contains("another program has written a key under this prefix"), "{error}");
    server.cli(&["DEL", "{hubward}:1:alive"]).await;
    assert!(announce(&store, "n1").await.epoch > owner.epoch);
}
