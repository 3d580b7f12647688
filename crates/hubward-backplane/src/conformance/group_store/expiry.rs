//! Memberships of users that expire.

use std::time::Duration;

use super::hub_store::{HubStore, user};
use crate::conformance::stores::NewStores;
use crate::conformance::wait::eventually;

pub async fn a_users_membership_expires(new: &NewStores) {
    let store = HubStore::new(new);
    let short = Duration::from_millis(50);
    store.add_user("ward:7", "alice", Some(short)).await;
    store.add_user("ward:7", "bob", None).await;
    eventually("the membership expires", async || !store.contains("ward:7", &user("alice")).await).await;
    store.check("ward:7", &[user("bob")]).await;
    assert!(store.groups_of_user("alice").await.is_empty());
    store.add_user("ward:7", "alice", Some(short)).await;
    eventually("the count falls", async || store.count("ward:7").await == 1).await;
    store.add_user("ward:8", "alice", Some(short)).await;
    eventually("the group goes", async || store.groups_of_user("alice").await.is_empty()).await;
    store.check("ward:8", &[]).await;
}

pub async fn a_membership_that_expires_has_a_remaining_time_to_live(new: &NewStores) {
    let store = HubStore::new(new);
    let hour = Duration::from_secs(3600);
    store.add_user("ward:7", "alice", Some(hour)).await;
    store.check("ward:7", &[user("alice")]).await;
    let left = store.time_left("ward:7", "alice").await.expect("the membership expires");
    assert!(left <= hour && left > hour / 2, "{left:?} are left of an hour");
}

pub async fn the_latest_time_to_live_counts(new: &NewStores) {
    let store = HubStore::new(new);
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(3600));
    store.add_user("shortened", "alice", Some(long)).await;
    store.add_user("shortened", "alice", Some(short)).await;
    store.add_user("limited", "alice", None).await;
    store.add_user("limited", "alice", Some(short)).await;
    for (group, ttl) in [("longer", Some(long)), ("unlimited", None)] {
        store.add_user(group, "alice", Some(short)).await;
        store.add_user(group, "alice", ttl).await;
    }
    eventually("the shortened membership expires", async || store.count("shortened").await == 0).await;
    eventually("the limited membership expires", async || store.count("limited").await == 0).await;
    assert_eq!(store.groups_of_user("alice").await, ["longer", "unlimited"]);
    store.check("longer", &[user("alice")]).await;
    store.check("unlimited", &[user("alice")]).await;
    assert!(store.time_left("longer", "alice").await.is_some());
    assert_eq!(store.time_left("unlimited", "alice").await, None);
}

pub async fn a_time_to_live_of_zero_has_expired(new: &NewStores) {
    let store = HubStore::new(new);
    store.add_user("ward:7", "alice", Some(Duration::ZERO)).await;
    store.check("ward:7", &[]).await;
    store.add_user("ward:7", "alice", None).await;
    store.add_user("ward:7", "alice", Some(Duration::ZERO)).await;
    store.check("ward:7", &[]).await;
    assert!(store.groups_of_user("alice").await.is_empty());
}

pub async fn a_time_to_live_beyond_the_clock_never_expires(new: &NewStores) {
    let store = HubStore::new(new);
    store.add_user("ward:7", "alice", Some(Duration::MAX)).await;
    store.check("ward:7", &[user("alice")]).await;
}
