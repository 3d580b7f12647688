//! Connections of a node whose life has ended, and of one whose life has, are taken over or not.

use super::lives::{SHORT, wait_for_death};
use super::restoring::held;
use super::sweeping::{join, members, open};
use crate::conformance::stores::{NewStores, Stores, announce};
use crate::group_store::{Member, StoreError, TakeOver};
use crate::owner::Owner;

async fn take_over(stores: &Stores, id: &str, from: &Owner, to: &Owner) -> Result<(), StoreError> {
    let (from, to) = (from.clone(), to.clone());
    let taking = TakeOver { hub: "clinical".into(), connection: id.into(), from, to };
    stores.groups.take_over(taking).await.map(|_| ())
}

pub async fn a_connection_of_a_dead_node_is_taken_over_until_it_is_swept(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    for id in ["c1", "c2"] {
        open(&stores, &second, id, Some("alice")).await;
        join(&stores, &second, id, "ward:7").await.expect("it is recorded");
    }
    wait_for_death(&stores, &second, &first).await;
    take_over(&stores, "c1", &second, &first).await.expect("it is taken over");
    let swept = stores.nodes.sweep(&first, 10).await.expect("it is swept");
    assert_eq!((swept.removed, swept.finished), (1, true));
    let refused = take_over(&stores, "c2", &second, &first).await;
    assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
    assert_eq!(members(&stores, "ward:7").await, [Member::Connection("c1".into())].into());
    let nodes = stores.groups.nodes_of_user(&"clinical".into(), &"alice".into()).await.expect("it is read");
    assert_eq!(nodes, ["node-1".into()]);
    // Its former node comes back, and has lost it.
    let anew = announce(&stores, "node-2").await;
    let restoring = vec![held("c1", Some("alice"), &["ward:8"])];
    let lost = stores.groups.restore(&anew, restoring).await.expect("it is restored").lost;
    assert_eq!(lost, [("clinical".into(), "c1".into())]);
}

pub async fn a_node_that_is_taken_for_dead_takes_nothing_over(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open(&stores, &first, "c1", None).await;
    wait_for_death(&stores, &second, &first).await;
    let refused = take_over(&stores, "c1", &first, &second).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    let owner = stores.groups.owner(&"clinical".into(), &"c1".into()).await.expect("it is read");
    assert_eq!(owner, Some(first));
}

pub async fn a_connection_that_was_taken_over_is_restored_by_its_new_owner(new: &NewStores) {
    let stores = new(SHORT);
    let (first, second) = (announce(&stores, "node-1").await, announce(&stores, "node-2").await);
    open(&stores, &first, "c1", None).await;
    take_over(&stores, "c1", &first, &second).await.expect("it is taken over");
    wait_for_death(&stores, &second, &first).await;
    let anew = announce(&stores, "node-2").await;
    let restored = stores.groups.restore(&anew, vec![held("c1", None, &["ward:7"])]).await;
    assert!(restored.expect("it is restored").lost.is_empty());
    assert_eq!(members(&stores, "ward:7").await, [Member::Connection("c1".into())].into());
}
