//! Sentinels: a failover that was asked for, and one because the primary is dead.

use hubward_testing::redis::{Data, RedisSentinels};

#[tokio::test]
async fn sentinels_fail_over_when_asked_and_when_the_primary_dies() {
    let mut redis = RedisSentinels::start().await;
    let first = redis.primary().await.address();
    redis.primary().await.cli(&["set", "key", "value"]).await;
    redis.replicated().await;
    redis.failover().await;
    let second = redis.primary().await.address();
    assert_ne!(first, second);
    assert_eq!(redis.primary().await.cli(&["get", "key"]).await, "value");

    let killed = redis.kill_primary().await;
    assert_eq!(redis.servers()[killed].address(), second);
    assert_eq!(redis.primary().await.address(), first);
    redis.primary().await.cli(&["set", "key", "later"]).await;
    redis.servers()[killed].restart(Data::Lost).await;
    redis.ready().await;
    redis.replicated().await;
    assert_eq!(redis.servers()[killed].cli(&["get", "key"]).await, "later");
    assert_eq!(redis.addresses().len(), redis.sentinels().len());
}
