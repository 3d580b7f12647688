//! The in-memory group store passes the suite, and what only it promises.

use super::*;

mod as_a_store {
    use super::*;

    crate::group_store_suite!(async { || Arc::new(InMemoryGroupStore::new()) as Arc<dyn GroupStore> });
}

#[tokio::test(start_paused = true)]
async fn a_users_membership_expires_to_the_millisecond() {
    let store = InMemoryGroupStore::new();
    let (hub, ward, alice) = ("clinical".into(), "ward:7".into(), "alice".into());
    store.add_user(&hub, &ward, &alice, Some(Duration::from_secs(60))).await.unwrap();
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert_eq!(store.count(&hub, &ward).await.unwrap(), 1);
    let left = store.groups_of_user(&hub, &alice).await.unwrap();
    assert_eq!(left, [(ward.clone(), Some(Duration::from_millis(1)))]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(store.count(&hub, &ward).await.unwrap(), 0);
    assert_eq!(store.groups_of_user(&hub, &alice).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn groups_that_nobody_reads_again_are_removed_after_they_expire() {
    let store = InMemoryGroupStore::new();
    let hub = "clinical".into();
    for number in 0..10_000 {
        let name = format!("once{number}");
        let minute = Some(Duration::from_secs(60));
        store.add_user(&hub, &name.as_str().into(), &name.as_str().into(), minute).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let held = format!("{store:?}");
    assert!(store.entries() < 1_000, "{held}");
}

#[tokio::test]
async fn a_full_last_page_has_no_cursor() {
    let store = InMemoryGroupStore::new();
    let (hub, ward, node) = ("clinical".into(), "ward:7".into(), "node-1".into());
    for connection in ["c1", "c2", "c3"] {
        store.add_connection(&hub, &ward, &connection.into(), &node).await.unwrap();
    }
    assert!(store.members(&hub, &ward, None, 2).await.unwrap().next.is_some());
    assert_eq!(store.members(&hub, &ward, None, 3).await.unwrap().next, None);
}

#[tokio::test]
async fn nothing_is_left_of_members_that_have_left() {
    let store = InMemoryGroupStore::new();
    let (hub, ward, node) = ("clinical".into(), "ward:7".into(), "node-1".into());
    store.add_connection(&hub, &ward, &"c1".into(), &node).await.unwrap();
    store.add_connection(&hub, &ward, &"c2".into(), &node).await.unwrap();
    store.add_connection(&hub, &ward, &"c3".into(), &node).await.unwrap();
    store.add_user(&hub, &ward, &"alice".into(), None).await.unwrap();
    assert!(store.entries() > 0);
    store.remove_connection(&hub, &ward, &"c1".into()).await.unwrap();
    store.end_connection(&hub, &"c2".into()).await.unwrap();
    store.end_node(&node).await.unwrap();
    store.remove_user(&hub, &ward, &"alice".into()).await.unwrap();
    assert_eq!(store.entries(), 0);
}
