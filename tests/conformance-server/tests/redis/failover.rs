//! Sentinels that make another server the primary, and a Cluster whose slots move and whose primaries die.

use hubward_testing::redis::{RedisCluster, RedisSentinels};
use hubward_tests::TestClient;
use serde_json::json;

use crate::nodes::{Nodes, PREFIX, becomes, call, reach_each_other, succeeds};

async fn members(nodes: &Nodes) -> Vec<TestClient> {
    let mut members = nodes.clients().await;
    for member in &mut members {
        call(member, "Join", json!(["g"])).await;
    }
    members
}

/// Messages reach everybody, members are known, and more can join and leave.
async fn are_as_before(nodes: &Nodes, members: &mut [TestClient]) {
    reach_each_other(members).await;
    for member in members.iter_mut() {
        becomes(member, "Count", json!(["g"]), json!(3)).await;
    }
    let mut another = nodes.client(0).await;
    // Until a node has recorded anew what it holds, joins may fail.
    succeeds(&mut another, "Join", json!(["g"])).await;
    becomes(&mut members[1], "Count", json!(["g"]), json!(4)).await;
    call(&mut another, "Leave", json!(["g"])).await;
    becomes(&mut members[2], "Count", json!(["g"]), json!(3)).await;
    another.close().await;
}

#[tokio::test]
async fn nodes_follow_the_sentinels_to_another_primary() {
    let mut redis = RedisSentinels::start().await;
    let nodes = Nodes::start(3, &redis.url(), PREFIX).await;
    let mut members = members(&nodes).await;
    are_as_before(&nodes, &mut members).await;
    redis.failover().await;
    are_as_before(&nodes, &mut members).await;
    redis.kill_primary().await;
    are_as_before(&nodes, &mut members).await;
    nodes.have_no_errors();
}

#[tokio::test]
async fn nodes_follow_a_slot_that_moves_and_a_primary_that_dies() {
    let mut redis = RedisCluster::start().await;
    let nodes = Nodes::start(3, &redis.url(), PREFIX).await;
    let mut members = members(&nodes).await;
    are_as_before(&nodes, &mut members).await;

    // The slot of all keys.
    let keys = redis.slot(&format!("{{{PREFIX}}}")).await;
    let (from, to) = (redis.primary_of(keys).await, redis.other_primary_than_of(keys).await);
    redis.move_slot(keys, from, to).await;
    are_as_before(&nodes, &mut members).await;

    // The slots of all channels that somebody has subscribed to.
    for node in 0..redis.nodes().len() {
        let channels = redis.nodes()[node].cli(&["pubsub", "shardchannels"]).await;
        for channel in channels.lines() {
            let slot = redis.slot(channel).await;
            let (from, to) = (redis.primary_of(slot).await, redis.other_primary_than_of(slot).await);
            redis.move_slot(slot, from, to).await;
        }
    }
    are_as_before(&nodes, &mut members).await;

    redis.replicated(keys).await;
    redis.kill_primary_of(keys).await;
    are_as_before(&nodes, &mut members).await;
    nodes.have_no_errors();
}
