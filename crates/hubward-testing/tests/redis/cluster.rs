//! A Cluster: slots that move with their keys, and a primary that dies.

use hubward_testing::redis::{Data, RedisCluster};

#[tokio::test]
async fn a_slot_moves_with_its_keys_and_a_dead_primary_is_replaced() {
    let mut redis = RedisCluster::start().await;
    let slot = redis.slot("{tag}").await;
    let from = redis.primary_of(slot).await;
    // More than are moved at once.
    let keys: Vec<String> = (0..250).map(|number| format!("{{tag}}:{number}")).collect();
    let pairs = keys.iter().flat_map(|key| [key.as_str(), "value"]);
    redis.nodes()[from].cli(&["mset"].into_iter().chain(pairs).collect::<Vec<_>>()).await;
    let to = redis.other_primary_than_of(slot).await;
    redis.move_slot(slot, from, to).await;
    assert_eq!(redis.primary_of(slot).await, to);
    assert_eq!(redis.nodes()[to].cli(&["get", "{tag}:249"]).await, "value");
    let moved = redis.nodes()[from].try_cli(&["get", "{tag}:249"]).await.unwrap_err();
    assert!(moved.contains("MOVED"), "{moved}");

    redis.replicated(slot).await;
    let killed = redis.kill_primary_of(slot).await;
    assert_eq!(killed, to);
    let successor = redis.primary_of(slot).await;
    assert_ne!(successor, killed);
    assert_eq!(redis.nodes()[successor].cli(&["get", "{tag}:0"]).await, "value");
    redis.nodes()[killed].restart(Data::Kept).await;
    redis.ready().await;
    assert_eq!(redis.nodes()[killed].info("role").await, "slave");
}
