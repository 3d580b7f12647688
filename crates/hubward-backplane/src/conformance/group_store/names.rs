//! Hubs, groups, connections and users are distinguished by their exact names.

use super::hub_store::{HubStore, connection, user};
use crate::conformance::stores::NewStores;

pub async fn a_connection_and_a_user_of_the_same_name_are_two_members(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("ward:7", "alice").await;
    assert!(!store.contains("ward:7", &user("alice")).await);
    store.add_user("ward:7", "alice", None).await;
    store.check("ward:7", &[connection("alice"), user("alice")]).await;
    store.end("alice").await;
    store.check("ward:7", &[user("alice")]).await;
}

pub async fn hubs_are_separate(new: &NewStores) {
    let store = HubStore::new(new);
    let billing = store.of_hub("billing");
    store.join("ward:7", "c1").await;
    store.add_user("ward:7", "alice", None).await;
    billing.check("ward:7", &[]).await;
    billing.join("ward:7", "c1").await;
    billing.add_user("ward:7", "alice", None).await;
    store.end("c1").await;
    store.remove_user("ward:7", "alice").await;
    store.check("ward:7", &[]).await;
    billing.check("ward:7", &[connection("c1"), user("alice")]).await;
}

pub async fn names_that_look_alike_stay_apart(new: &NewStores) {
    let store = HubStore::new(new);
    let long = "x".repeat(10_000);
    let longer = format!("{long}x");
    let names = [
        "", " ", "a", "a:b", ":a", "a:", "{a}", "a}", "*", "?", "[a]", "a\\", "a\0", "\0a", "a\r\n", "é",
        "e\u{301}", "病棟", "c:a", "u:a", "ca", "ua", &long, &longer,
    ];
    for name in names {
        store.join(name, name).await;
        store.add_user(name, name, None).await;
        store.of_hub(name).join("a", name).await;
    }
    for name in names {
        store.check(name, &[connection(name), user(name)]).await;
        assert_eq!(store.groups_of(name).await, [name]);
        assert_eq!(store.groups_of_user(name).await, [name]);
        store.of_hub(name).check("a", &[connection(name)]).await;
    }
}

pub async fn names_are_case_sensitive(new: &NewStores) {
    let store = HubStore::new(new);
    store.join("Ward", "c1").await;
    store.join("ward", "C1").await;
    store.add_user("Ward", "Alice", None).await;
    store.check("Ward", &[connection("c1"), user("Alice")]).await;
    store.check("ward", &[connection("C1")]).await;
    assert!(!store.contains("Ward", &user("alice")).await);
}
