//! A Redis that has lost single keys, such as one that evicts: what refers to them goes all the same.
#![allow(clippy::unwrap_used, reason = "a failure here is to fail a test")]

use std::time::Duration;

use hubward_backplane::{GroupStore, NodeInfo, NodeLoad, NodeRegistry, Owner};
use hubward_redis::Redis;
use hubward_testing::eventually;
use hubward_testing::redis::{RedisOptions, RedisServer};

#[tokio::test]
async fn memberships_whose_user_was_lost_expire() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let store = Redis::url(&server.url()).unwrap().build().unwrap().store();
    let info = NodeInfo { id: "n1".into(), address: None, hubs: Vec::new() };
    let owner = Owner { node: "n1".into(), epoch: store.announce(info).await.unwrap() };
    let (hub, group) = ("hub".into(), "group".into());
    let ttl = Some(Duration::from_millis(50));
    store.add_user(&hub, &group, &"lost".into(), ttl).await.unwrap();
    store.add_user(&hub, &group, &"kept".into(), ttl).await.unwrap();
    assert_eq!(server.cli(&["DEL", "{hubward}:1:user:3:hublost"]).await.trim(), "1");
    eventually("nothing to be left but the node", async || {
        store.heartbeat(&owner, NodeLoad::default()).await.unwrap();
        let keys = server.cli(&["KEYS", "{hubward}:*"]).await;
        let mut keys: Vec<_> = keys.split_whitespace().collect();
        keys.sort_unstable();
        keys == ["{hubward}:1:alive", "{hubward}:1:epoch", "{hubward}:1:nodes"]
    })
    .await;
}
